// Asks the server at URL one question through the types of openapi-typescript: main.js URL QUESTION
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

type Request = components["schemas"]["CrossEntropyRequest"];
const [, , url = "", question = ""] = process.argv;
// Of the media types of a reply, those that are asked for; without them data may be safetensors, a string.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: url });

function evaluate(body: Request) {
  return client.POST("/v1/losses/{loss}", { params: { path: { loss: "cross_entropy" } }, body });
}

const questions: Record<string, () => Promise<unknown[]>> = {
  async evaluation() {
    const { data, error } = await evaluate({
      logits: [[-0.7715, -0.6205, -0.2562]],
      targets: [0],
      outputs: ["loss", "grad"],
    });
    if (!data) throw error;
    const grad = data.grad as number[][];
    return [data.loss, ...(grad[0] ?? [])];
  },
  async typed() {
    const { data, error } = await evaluate({
      logits: { dtype: "F64", shape: [1, 3], data: [-0.7715, -0.6205, -0.2562] },
      targets: { dtype: "I64", shape: [1], data: [0] },
      reduction: "sum",
    });
    if (!data) throw error;
    return [data.loss, data.totals?.counted];
  },
  async error() {
    const { error, response } = await evaluate({ logits: [[1, 2]], targets: [0, 1] });
    return [response.status, error?.code, error?.pointer];
  },
  async live() {
    const { data } = await client.GET("/v2/health/live");
    return [data?.live];
  },
};

const answer = await questions[question]?.();
console.log(answer?.join(" "));
