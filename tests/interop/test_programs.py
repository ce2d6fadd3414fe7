#!/usr/bin/env python3
"""Programs in Go and JavaScript that write the formats themselves, over all PyTorch fixtures."""

from harness import tap

tap.need("numpy", "ml_dtypes", "tritonclient.http", "kserve", "safetensors")

from harness.daemon import daemon
from harness.problem import check_fixtures
from harness.programs import go, javascript


def test_go_safetensors(server):
    with go("safetensors", server.url) as child:
        check_fixtures(child)


def test_go_inference_protocol(server):
    with go("oip", server.url) as child:
        check_fixtures(child)


def test_javascript_safetensors(server):
    with javascript("safetensors", server.url) as child:
        check_fixtures(child)


def test_javascript_base64(server):
    with javascript("base64", server.url) as child:
        check_fixtures(child)


def test_javascript_inference_protocol(server):
    with javascript("oip", server.url) as child:
        check_fixtures(child)


if __name__ == "__main__":
    tap.main(globals(), daemon)
