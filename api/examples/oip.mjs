// The cross entropy of one row over the Open Inference Protocol with binary tensors, in Node.js 18 or later: node oip.mjs
const url = process.env.LOSSD_URL ?? 'http://127.0.0.1:8080';
const LENGTH = 'Inference-Header-Content-Length';

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

async function infer(loss, inputs, parameters = {}) {
  const document = JSON.stringify({
    inputs: inputs.map(({ data, ...input }) => ({ ...input, parameters: { binary_data_size: data.byteLength } })),
    outputs: [{ name: 'loss' }, { name: 'grad' }],
    parameters: { ...parameters, binary_data_output: true },
  });
  const reply = await fetch(`${url}/v2/models/${loss}/infer`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/octet-stream', [LENGTH]: String(Buffer.byteLength(document)) },
    body: Buffer.concat([Buffer.from(document), ...inputs.map(({ data }) => bytesOf(data))]),
    signal: AbortSignal.timeout(30_000),
  });
  if (!reply.ok) throw new Error((await reply.json()).error);
  return read(Buffer.from(await reply.arrayBuffer()), Number(reply.headers.get(LENGTH)));
}

// The F32 outputs by name: their bytes follow the document, in its order. Copied, for alignment.
function read(body, length) {
  const { outputs } = JSON.parse(body.toString('utf8', 0, length));
  let at = length;
  const found = {};
  for (const { name, parameters } of outputs) {
    const bytes = body.subarray(at, (at += parameters.binary_data_size));
    found[name] = new Float32Array(new Uint8Array(bytes).buffer);
  }
  return found;
}

const { loss, grad } = await infer('cross_entropy', [
  { name: 'logits', shape: [1, 3], datatype: 'FP32', data: new Float32Array([-0.7715, -0.6205, -0.2562]) },
  { name: 'targets', shape: [1], datatype: 'INT64', data: new BigInt64Array([0n]) },
]);
const digits = (number) => String(Number(number.toPrecision(8)));
console.log('loss', digits(loss[0]));
console.log('grad', [...grad].map(digits).join(' '));
