#!/usr/bin/env python3
"""The JSON Schemas of GET /v1/losses/{loss}: they let through what the server takes and gives, refuse what is broken."""

import copy
import glob
import http.client
import json

from harness import tap
from harness.daemon import daemon

try:
    import jsonschema_rs

    def validator(schema):
        return jsonschema_rs.Draft202012Validator(schema).is_valid

except ImportError:
    tap.need("jsonschema")
    import jsonschema

    def validator(schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema).is_valid


MOST_FIXTURES = 40  # of each file


def ask(server, method, path, body=None, kind="application/json"):
    connection = http.client.HTTPConnection(server.address, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, text


def schemas(server):
    """Validators of requests and replies, by the loss's name."""
    found = {}
    for loss in json.loads(ask(server, "GET", "/v1/losses")[1])["losses"]:
        page = json.loads(ask(server, "GET", loss["url"])[1])
        found[loss["name"]] = (page, validator(page["schema"]["request"]), validator(page["schema"]["reply"]))
    return found


def loss_of(request):
    """Which loss an example of the contract is of."""
    if any(name.startswith("teacher_") for name in request):
        return "divergence"
    if "advantages" in request:
        return "policy_gradient"
    if "var" in request:
        return "gaussian_nll_loss"
    if "predictions" in request:
        return "quantile_loss" if "quantile" in request else "mse_loss"
    if "log_probs" in request:
        return "kl_div" if isinstance(request["targets"][0], list) else "nll_loss"
    if "probs" in request:
        return "binary_cross_entropy"
    if "pos_weight" in request:
        return "binary_cross_entropy_with_logits"
    return "cross_entropy" if "targets" in request else "softmax"


def examples(server):
    contract = json.loads(ask(server, "GET", "/openapi.json")[1])
    post = contract["paths"]["/v1/losses/{loss}"]["post"]["requestBody"]["content"]["application/json"]
    for example in post["examples"].values():
        yield loss_of(example["value"]), example["value"]


def fixtures():
    """Requests of the fixtures, every so many of each file."""
    for name in sorted(glob.glob("tests/fixtures/pytorch/*.json")):
        with open(name, encoding="utf-8") as file:
            cases = json.load(file)
        cases = cases["cases"] if isinstance(cases, dict) else cases
        for case in cases[:: len(cases) // MOST_FIXTURES + 1]:
            yield case["loss"], json.loads(case["request"], parse_constant=str)


def check(server, found, name, request):
    page, takes, gives = found[name]
    status, text = ask(server, "POST", page["url"], json.dumps(request))
    tap.expect(status == 200, name, request, text)
    tap.expect(takes(request), name, "does not take", request)
    tap.expect(gives(json.loads(text)), name, "does not give", text)


def test_examples_and_their_replies_are_valid(server):
    found = schemas(server)
    seen = 0
    for name, request in examples(server):
        check(server, found, name, request)
        seen += 1
    tap.expect(seen > 8, seen)


def test_fixtures_and_their_replies_are_valid(server):
    found = schemas(server)
    seen = set()
    for name, request in fixtures():
        check(server, found, name, request)
        seen.add(name)
    tap.expect(seen == set(found), seen)


def broken(page, request):
    """Requests with one thing wrong."""
    for tensor in page["tensors"]:
        if tensor["required"]:
            yield {k: v for k, v in request.items() if k != tensor["name"]}
            yield {**request, tensor["name"]: None}
        for wrong in ("text", {"dtype": "F32", "shape": [1]}, {"dtype": "F31", "shape": [1], "data": [1]}, [["text"]], [{}]):
            yield {**request, tensor["name"]: wrong}
    for argument in page["arguments"]:
        yield {**request, argument["name"]: {}}
        yield {**request, argument["name"]: "text"}
        if argument["type"] == "string":
            yield {**request, argument["name"]: 1}
        if argument["type"] == "boolean":
            yield {**request, argument["name"]: 0}
        if argument["type"] == "integer":
            yield {**request, argument["name"]: 0.5}
    yield {**request, "outputs": "loss"}
    yield {**request, "outputs": ["nothing"]}
    yield {**request, "outputs": [page["outputs"][0]["name"]] * 2}
    yield {**request, "non_finite": "zero"}
    yield {**request, "nonsense": 1}
    yield [request]


def test_what_is_broken_is_refused_by_both(server):
    found = schemas(server)
    seen = set()
    for name, request in examples(server):
        if name in seen:
            continue
        seen.add(name)
        page, takes, _ = found[name]
        for wrong in broken(page, request):
            status, text = ask(server, "POST", page["url"], json.dumps(wrong))
            tap.expect(status == 422, name, wrong, text)
            tap.expect(not takes(wrong), name, "takes", wrong)


def test_ranges_of_arguments_are_those_of_the_server(server):
    found = schemas(server)
    for name, (page, takes, _) in found.items():
        base = next((r for n, r in list(examples(server)) + list(fixtures()) if n == name))
        for argument in page["arguments"]:
            if argument["type"] not in ("number", "integer"):
                continue
            for value in (-2, -1, 0, 0.25, 1, 2, 10**9):
                request = {**base, argument["name"]: value}
                status, text = ask(server, "POST", page["url"], json.dumps(request))
                code = json.loads(text).get("code")
                mine = status == 422 and code in ("argument_out_of_range", "wrong_type")
                told = mine and json.loads(text)["pointer"] == argument["name"]
                refused = not takes(request)
                # The server knows more: what an argument means beside others.
                tap.expect(not refused or status == 422, name, request, text)
                tap.expect(not told or refused or "beside" in str(text) or "classes" in str(text), name, request, text)


def test_lines_and_their_replies_are_valid(server):
    _, takes, gives = schemas(server)["cross_entropy"]
    lines = [request for name, request in examples(server) if name == "cross_entropy"]
    body = "\n".join(json.dumps(line) for line in lines)
    status, text = ask(server, "POST", "/v1/losses/cross_entropy", body, "application/jsonl")
    replies = text.decode().splitlines()
    tap.expect(status == 200 and len(replies) == len(lines), text)
    for request, reply in zip(lines, replies):
        tap.expect(takes(request) and gives(json.loads(reply)), request, reply)
        wrong = copy.deepcopy(json.loads(reply))
        wrong["totals"].pop("rows")
        tap.expect(not gives(wrong), "is given", wrong)
    tap.expect(not gives({"type": "/problems/empty_body"}), "a problem is a reply")


if __name__ == "__main__":
    tap.main(globals(), daemon)
