#!/usr/bin/env python3
"""Python's safetensors library: what it writes is read, what is written it reads."""

import json
import os
import tempfile

from harness import tap

tap.need("numpy", "ml_dtypes", "requests", "safetensors", "tritonclient.http", "kserve")

import numpy as np
import requests
import safetensors
import safetensors.numpy as library

from harness import wires
from harness.daemon import daemon
from harness.problem import check_fixtures

MEDIA = "application/x-safetensors"
LOGITS = np.array([[-0.7715, -0.6205, -0.2562]], np.float32)
TENSORS = {"logits": LOGITS, "targets": np.array([0], np.int64)}
LOSS = np.float32(1.3447266)


def post(server, body, media=MEDIA, accept=MEDIA, **query):
    headers = {"Content-Type": media, "Accept": accept}
    url = f"{server.url}/v1/losses/cross_entropy"
    return requests.post(url, data=body, params=query, headers=headers, timeout=60)


def test_save_post_load(server):
    reply = post(server, library.save(TENSORS), outputs="loss,grad,predicted")
    tap.expect(reply.status_code == 200, reply.text)
    tap.expect(reply.headers["Content-Type"] == MEDIA, reply.headers)
    outputs = library.load(reply.content)
    tap.expect(sorted(outputs) == ["grad", "loss", "predicted"], outputs)
    tap.expect(outputs["loss"].dtype == np.float32 and outputs["loss"] == LOSS, outputs)
    tap.expect(outputs["grad"].shape == (1, 3) and abs(outputs["grad"].sum()) < 1e-6, outputs)
    tap.expect(outputs["predicted"].tolist() == [2], outputs)


def test_files(server):
    """save_file, a POST of the file, load_file and safe_open, which maps the file."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = os.path.join(folder, "in"), os.path.join(folder, "out")
        library.save_file(TENSORS, asked, metadata={"made by": "a pipeline"})
        with open(asked, "rb") as body, open(answered, "wb") as file:
            file.write(post(server, body, outputs=["loss", "lse"]).content)
        tap.expect(library.load_file(answered)["loss"] == LOSS)
        with safetensors.safe_open(answered, "numpy") as opened:
            tap.expect(sorted(opened.keys()) == ["loss", "lse"], opened.keys())
            tap.expect(opened.get_tensor("lse").shape == (1,))
            metadata = opened.metadata()
        tap.expect(json.loads(metadata["totals"])["rows"] == 1, metadata)
        tap.expect(json.loads(metadata["metrics"])["compute_seconds"] >= 0, metadata)


def test_all_its_media_types(server):
    for media in (MEDIA, "application/vnd.safetensors", "application/octet-stream"):
        reply = post(server, library.save(TENSORS), media=media, accept="application/json")
        tap.expect(reply.status_code == 200 and np.float32(reply.json()["loss"]) == LOSS, media, reply.text)


def test_whatever_order_it_writes_in(server):
    """By size of the type, widest first, then by name: each of these stands elsewhere in the file."""
    targets = np.array([1, 0], np.int8)
    logits = np.arange(6).reshape(2, 3)
    weight = np.array([1, 2, 3])
    losses = set()
    for target_type in (np.int8, np.int32, np.int64):
        for weight_type in (np.float32, np.float64):
            tensors = {
                "targets": targets.astype(target_type),
                "logits": logits.astype(np.float64),
                "weight": weight.astype(weight_type),
            }
            reply = post(server, library.save(tensors))
            tap.expect(reply.status_code == 200, reply.text)
            losses.add(library.load(reply.content)["loss"].tobytes())
    tap.expect(len(losses) == 1, "the order makes a difference:", losses)


def test_what_it_refuses_to_read_is_refused(server):
    """The library's own rules: a body cut short or too long is neither's idea of the format."""
    body = library.save(TENSORS)
    for wrong in (body[:-1], body + b"\0", body[:4], b"\xff" * 8 + body[8:]):
        tap.expect_raises(safetensors.SafetensorError, lambda wrong=wrong: library.load(wrong))
        reply = post(server, wrong)
        tap.expect(reply.status_code == 400, reply.status_code, reply.text)
        tap.expect(reply.headers["Content-Type"] == "application/problem+json", reply.headers)


def test_fixtures(server):
    check_fixtures(wires.V1(server.url, wires.SAFETENSORS, wires.SAFETENSORS))


def test_fixtures_answered_in_json(server):
    check_fixtures(wires.V1(server.url, wires.SAFETENSORS, wires.JSON))


def test_fixtures_asked_in_json(server):
    check_fixtures(wires.V1(server.url, wires.JSON, wires.SAFETENSORS))


if __name__ == "__main__":
    tap.main(globals(), daemon)
