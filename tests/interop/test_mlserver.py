#!/usr/bin/env python3
"""What clients of MLServer send: its types as dictionaries, every member that was not set as null."""

import http.client
import json

from harness import tap
from harness.daemon import daemon


def tensor(name, shape, datatype, data):
    """As its NumPy codec makes one."""
    parameters = {"content_type": "np", "headers": None}
    return {"name": name, "shape": shape, "datatype": datatype, "parameters": parameters, "data": data}


def infer(server, request, kind="application/json"):
    connection = http.client.HTTPConnection(server.address, timeout=60)
    headers = {"Content-Type": kind} if kind else {}
    connection.request("POST", "/v2/models/cross_entropy/infer", json.dumps(request), headers)
    reply = connection.getresponse()
    body = json.loads(reply.read())
    connection.close()
    return reply.status, body


def request(**more):
    inputs = [
        tensor("logits", [1, 3], "FP32", [-0.7715, -0.6205, -0.2562]),
        tensor("targets", [1], "INT64", [0]),
    ]
    return {"id": None, "parameters": None, "inputs": inputs, "outputs": None, **more}


def test_a_request_of_its_types(server):
    for parameters in (None, {"content_type": "np", "headers": None}, {"headers": {"X-A": "b"}}):
        status, reply = infer(server, request(parameters=parameters))
        tap.expect(status == 200, reply)
        tap.expect(reply["outputs"][0]["data"] == [1.3447266], reply)


def test_its_outputs(server):
    outputs = [{"name": "loss", "parameters": {"content_type": "np", "headers": None}}]
    status, reply = infer(server, request(outputs=outputs))
    tap.expect(status == 200 and reply["outputs"][0]["name"] == "loss", reply)


def test_what_http_libraries_say_of_a_body(server):
    for kind in (None, "application/x-www-form-urlencoded"):
        status, reply = infer(server, request(), kind)
        tap.expect(status == 200, kind, reply)


if __name__ == "__main__":
    tap.main(globals(), daemon)
