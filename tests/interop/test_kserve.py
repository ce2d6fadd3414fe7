#!/usr/bin/env python3
"""KServe's inference client, as it is."""

from harness import tap

tap.need("numpy", "ml_dtypes", "tritonclient.http", "requests", "kserve", "safetensors")

import httpx
import numpy as np
from kserve import InferInput, InferRequest

from harness import wires
from harness.daemon import daemon
from harness.problem import Problem, check_fixtures

LOGITS = np.array([[-0.7715, -0.6205, -0.2562]], np.float32)
LOSS = np.float32(1.3447266)


def problem(target):
    tensors = {"logits": LOGITS, "targets": np.array([target], np.int64)}
    return Problem("cross_entropy", tensors, ["loss"])


def test_health(server):
    wire = wires.KServe(server.url)
    tap.expect(wire.run(wire.client.is_server_live(server.url)) is True)
    tap.expect(wire.run(wire.client.is_server_ready(server.url)) is True)
    tap.expect(wire.run(wire.client.is_model_ready(server.url, "cross_entropy")) is True)
    tap.expect(wire.run(wire.client.is_model_ready(server.url, "no_such_loss")) is False)


def test_the_reply_has_id_and_totals(server):
    wire = wires.KServe(server.url)
    response = wire.run(wire.client.infer(server.url, wire.request(problem(0)), "cross_entropy"))
    tap.expect(response.id == "1" and response.model_name == "cross_entropy", response)
    tap.expect(response.parameters["rows"] == 1, response.parameters)
    tap.expect(response.outputs[0].as_numpy() == LOSS, response)


def test_a_plain_dict_and_plain_lists(server):
    """As its users write requests by hand, without NumPy."""
    inputs = [
        {"name": "logits", "shape": [1, 3], "datatype": "FP32", "data": [[-0.7715, -0.6205, -0.2562]]},
        {"name": "targets", "shape": [1], "datatype": "INT64", "data": [0]},
    ]
    wire = wires.KServe(server.url)
    response = wire.run(wire.client.infer(server.url, {"inputs": inputs}, "cross_entropy"))
    tap.expect(np.float32(response.outputs[0].data[0]) == LOSS, response)
    made = [InferInput(one["name"], one["shape"], one["datatype"], one["data"]) for one in inputs]
    request = InferRequest("cross_entropy", made)
    response = wire.run(wire.client.infer(server.url, request, "cross_entropy"))
    tap.expect(np.float32(response.outputs[0].data[0]) == LOSS, response)


def test_errors_reach_its_users(server):
    """It takes the sentence out of a reply only where the media type is application/json and nothing more."""
    wire = wires.KServe(server.url)
    for binary in (True, False):
        wire.binary = binary
        tap.expect_raises(
            httpx.HTTPStatusError, lambda: wire.evaluate(problem(9)), "400", "there are 3 classes"
        )
    call = lambda: wire.run(wire.client.infer(server.url, wire.request(problem(0)), "no_such_loss"))
    tap.expect_raises(httpx.HTTPStatusError, call, "404", "no_such_loss")


def test_fixtures_binary(server):
    check_fixtures(wires.KServe(server.url, binary=True))


def test_fixtures_json(server):
    check_fixtures(wires.KServe(server.url, binary=False))


if __name__ == "__main__":
    tap.main(globals(), daemon)
