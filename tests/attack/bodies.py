"""Bodies that were made to do harm: broken, bent, swollen."""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Callable
from functools import cache

from problems import SAFETENSORS
from wire import Request
from world import World

JSON = ("Content-Type", "application/json")
V1 = "/v1/losses/cross_entropy"
V2 = "/v2/models/cross_entropy/infer"


# ---------------------------------------------------------------- broken: mutations of what is right


def _flip(body: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randint(1, 8)):
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return body


def _slice(body: bytes | bytearray, rng: random.Random) -> bytes:
    begin = rng.randrange(len(body))
    return bytes(body[begin : begin + rng.randint(1, 64)])


def _put(body: bytearray, part: bytes, rng: random.Random) -> bytearray:
    at = rng.randrange(len(body) + 1)
    return body[:at] + part + body[at:]


def _mutate(body: bytes, other: bytes, rng: random.Random) -> bytes:
    out = bytearray(body)
    for _ in range(rng.randint(1, 3)):
        way = rng.randrange(5)
        if way == 0:
            out = _flip(out, rng)
        elif way == 1:
            out = out[: rng.randint(1, len(out))]
        elif way == 2:
            out = _put(out, _slice(out, rng), rng)
        elif way == 3:
            out = _put(out, _slice(other, rng), rng)
        else:
            out = _put(out, rng.randbytes(rng.randint(1, 8)), rng)
    return bytes(out)


def broken_bodies(world: World, rng: random.Random) -> None:
    for _ in range(20):
        request, other = (rng.choice(world.pool.small).request for _ in range(2))
        body = _mutate(request.body, other.body, rng)
        world.expect_no_harm(Request(request.target, request.headers, body).whole())


def wrong_header_length(world: World, rng: random.Random) -> None:
    """Of the Open Inference Protocol: where the document ends and the bytes begin."""
    body = rng.choice([p.request.body for p in world.pool.small if p.request.target == V2])
    value = rng.choice(["-1", "0", "1", "18446744073709551616", "x", str(len(body) + 1)])
    world.expect_no_harm(Request(V2, (("Inference-Header-Content-Length", value),), body).whole())


# ---------------------------------------------------------------- bent: shapes and sizes that can not be


HUGE = (1 << 32, 1 << 63, (1 << 63) - 1, 1 << 31, 0, 1, -1, 3_000_000_000)


def huge_shapes(world: World, rng: random.Random) -> None:
    shape = [rng.choice(HUGE) for _ in range(rng.choice([1, 2, 3, 9]))]
    span = rng.choice([0, 12, *HUGE])
    typed = {"logits": {"dtype": "F32", "shape": shape, "data": [1, 2]}, "targets": [0]}
    world.expect_no_harm(Request(V1, (JSON,), json.dumps(typed).encode()).whole())
    header = json.dumps({"logits": {"dtype": "F32", "shape": shape, "data_offsets": [0, span]}}).encode()
    size = struct.pack("<Q", rng.choice([len(header), 1 << 63, 0, len(header) + 1]))
    world.expect_no_harm(Request(V1, (("Content-Type", SAFETENSORS),), size + header + bytes(12)).whole())
    tensor = {"name": "logits", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": span}}
    document = json.dumps({"inputs": [tensor]}).encode()
    length = ("Inference-Header-Content-Length", str(len(document)))
    world.expect_no_harm(Request(V2, (length,), document + bytes(12)).whole())


# ---------------------------------------------------------------- swollen


@cache
def _swollen() -> dict[str, Request]:
    """Made once: they are megabytes."""
    bomb = gzip.compress(bytes(64 << 20), 9)
    zeros = b'{"logits":[[' + b"0," * (4 << 20) + b"0]]}"
    many_keys = b"{" + b",".join(b'"k%d":0' % i for i in range(1_000_000)) + b"}"
    outputs = [{"name": f"o{i}"} for i in range(100_000)]
    row = {"name": "logits", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    coded = (JSON, ("Content-Encoding", "gzip"))
    return {
        "bomb": Request(V1, coded, bomb),
        "bomb in safetensors": Request(V1, (("Content-Type", SAFETENSORS), coded[1]), bomb),
        "bomb of numbers": Request(V1, coded, gzip.compress(zeros, 9)),
        "bomb in a bomb": Request(V1, coded, gzip.compress(bomb, 9)),
        "nesting": Request(V1, (JSON,), b"[" * 1_000_000),
        "nesting in a tensor": Request(V1, (JSON,), b'{"logits":' + b"[" * 1_000_000),
        "a million members": Request(V1, (JSON,), many_keys),
        "a million members of an input": Request(V2, (JSON,), b'{"inputs":[' + many_keys + b"]}"),
        "100,000 outputs": Request(V2, (JSON,), json.dumps({"inputs": [row], "outputs": outputs}).encode()),
        "100,000 outputs by name": Request(V1, (JSON,), json.dumps({"outputs": ["loss"] * 100_000}).encode()),
        "a long string": Request(V1, (JSON,), b'{"reduction":"' + b"a" * (8 << 20) + b'"}'),
        "a long number": Request(V1, (JSON,), b'{"logits":[[' + b"1" * (4 << 20) + b"]]}"),
    }


def swollen_bodies(world: World, rng: random.Random) -> None:
    swollen = _swollen()
    world.expect_no_harm(swollen[rng.choice(list(swollen))].whole())


BODIES: tuple[Callable[[World, random.Random], None], ...] = (
    broken_bodies, wrong_header_length, huge_shapes, swollen_bodies)
