"""What is asked while memory fails: requests of every kind, and how their right answers are told from wrong ones."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from problems import DEFINITIONS, Problem, as_base64, as_json, as_oip, as_oip_binary, as_safetensors, draw
from wire import Reply, Request

SHM_PREFIX = f"lossd_fault_{os.getpid()}_"
ID = ("X-Request-Id", "fault")
VOLATILE = {"date", "server-timing", "content-length", "inference-header-content-length"}
# Where there is no memory for them, replies go without them: they tell how long things took.
SPARED = {"server-timing"}
TIMES = re.compile(rb'((?:_seconds|_ns)\\?":)[-+.e0-9]+')


@dataclass(frozen=True)
class Scenario:
    name: str
    requests: tuple[bytes, ...]  # asked one after the other on one connection, until one is refused
    methods: tuple[str, ...]
    is_exact: bool = True  # the replies are the same each time but for their times
    has_lines: bool = False  # each of which may be refused by itself
    cleanup: bytes = b""  # asked with memory, afterwards


# ---------------------------------------------------------------- replies


def plain(reply: Reply) -> bytes:
    """The body uncompressed, without the times that things took."""
    coding = reply.headers.get("content-encoding")
    body = gzip.decompress(reply.body) if coding == "gzip" and reply.body else reply.body
    if reply.headers.get("content-type") == "application/x-safetensors":
        (size,) = struct.unpack_from("<Q", body)
        body = body[8 : 8 + size].rstrip(b" ") + body[8 + size :]
    return TIMES.sub(rb"\g<1>0", body)


def _is_refusal(line: bytes) -> bool:
    document = json.loads(line)
    return document.get("code") in ("out_of_memory", "too_much_memory_in_flight") and document["status"] in (429, 503)


def _same_lines(got: bytes, wanted: bytes) -> bool:
    mine, theirs = got.splitlines(), wanted.splitlines()
    return len(mine) == len(theirs) and all(a == b or _is_refusal(a) for a, b in zip(mine, theirs))


def difference(scenario: Scenario, reply: Reply, wanted: Reply) -> str:
    """What is wrong with a reply that is not a refusal; empty: nothing."""
    if reply.status != wanted.status:
        return f"{reply.status} instead of {wanted.status}: {reply.body[:200]!r}"
    missing = wanted.headers.keys() - reply.headers.keys() - SPARED
    if "content-encoding" in missing and plain(reply) == plain(wanted):
        missing -= {"content-encoding"}  # it has gone as it was
    if missing:
        return f"{reply.status} without {sorted(missing)}"
    for name, value in reply.headers.items():
        if name not in VOLATILE and wanted.headers.get(name) != value:
            return f"{name}: {value} instead of {wanted.headers.get(name)}"
    if scenario.has_lines and _same_lines(plain(reply), plain(wanted)):
        return ""
    if scenario.is_exact and plain(reply) != plain(wanted):
        return f"a body that is another: {plain(reply)[:300]!r} instead of {plain(wanted)[:300]!r}"
    return ""


# ---------------------------------------------------------------- requests


def make_problem(rows: int, classes: int, gradient: bool = True, repeat: int = 1, loss: int = 0) -> Problem:
    return replace(draw(random.Random(f"{rows}/{classes}"), DEFINITIONS[loss], rows, classes, repeat), gradient=gradient)


def _with(request: Request, *headers: tuple[str, str]) -> Request:
    return replace(request, headers=(*request.headers, ID, *headers))


def _zstd(data: bytes) -> bytes:
    """A frame of raw blocks, which needs no compressor (RFC 8878, section 3.1)."""
    out = [struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))]
    for at in range(0, len(data), 65536):
        part = data[at : at + 65536]
        last = at + 65536 >= len(data)
        out += [struct.pack("<I", len(part) << 3 | last)[:3], part]
    return b"".join(out)


CODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": _zstd}


def _coded(request: Request, coding: str) -> Request:
    return replace(_with(request, ("Content-Encoding", coding)), body=CODERS[coding](request.body))


def _one(name: str, request: Request, **more: object) -> Scenario:
    return Scenario(name, (request.whole(),), (request.method,), **more)  # type: ignore[arg-type]


def _page(target: str, *headers: tuple[str, str], method: str = "GET", is_exact: bool = True) -> Scenario:
    request = _with(Request(target, headers, method=method))
    return _one(f"{method} {target}", request, is_exact=is_exact)


def _region(action: str, document: object) -> Request:
    headers = (("Content-Type", "application/json"), ID)
    return Request(f"/v2/systemsharedmemory/region/fault/{action}", headers, json.dumps(document).encode())


def _shared_memory() -> Scenario:
    place = {"shared_memory_region": "fault", "shared_memory_byte_size": 4}
    document = {"inputs": [
        {"name": "logits", "shape": [1, 1], "datatype": "FP32", "parameters": place},
        {"name": "targets", "shape": [1], "datatype": "INT64", "data": [0]}],
        "outputs": [{"name": "loss", "parameters": {**place, "shared_memory_offset": 4}}]}
    infer = Request("/v2/models/cross_entropy/infer", (("Content-Type", "application/json"), ID),
                    json.dumps(document).encode())
    requests = (_region("register", {"key": f"{SHM_PREFIX}object", "byte_size": 4096}), infer,
                _with(Request("/v2/systemsharedmemory/status", method="GET")), _region("unregister", {}))
    return Scenario("shared memory", tuple(request.whole() for request in requests),
                    tuple(request.method for request in requests),
                    cleanup=Request("/v2/systemsharedmemory/unregister").whole())


def _streamed() -> Scenario:
    """Rows that are evaluated as they arrive, in chunks."""
    request = _with(as_safetensors(make_problem(64, 1000, repeat=16)))
    return Scenario("rows as they arrive", (request.chunked([100_000]),), ("POST",))


def _wrong() -> Scenario:
    """Refusals, on one connection."""
    small = _with(as_json(make_problem(3, 4)))
    requests = (replace(small, body=b'{"logits": [[1, 2]], "targets": [2]}'), replace(small, body=b"{,}"),
                replace(small, target="/v1/losses/crossentropy"), _with(Request("/nowhere", method="GET")),
                replace(small, target="/v2/models/cross_entropy/infer"))
    return Scenario("errors", tuple(r.whole() for r in requests), tuple(r.method for r in requests))


def _lines() -> list[Scenario]:
    """Problems one a line, one of them wrong; and some that take more than the memory of a line, compressed."""
    headers = (("Content-Type", "application/jsonl"), ID)
    good, larger = as_json(make_problem(3, 4)).body, as_json(make_problem(20, 60)).body
    small = Request("/v1/losses/cross_entropy", headers, b"\n".join((good, b"{}", good, b"")))
    coded = _coded(replace(small, body=b"\n".join((larger, good, larger)),
                           headers=(headers[0], ("Accept-Encoding", "gzip"))), "gzip")
    return [_one("lines", small, has_lines=True), _one("compressed lines", coded, has_lines=True)]


def make_scenarios() -> list[Scenario]:
    small, medium, large = make_problem(3, 4), make_problem(40, 100), make_problem(40, 100, repeat=100)
    origin = ("Origin", "https://page.example")
    zipped = ("Accept-Encoding", "gzip")
    return [
        _one("JSON", _with(as_json(small))),
        _one("JSON with a gradient", _with(as_json(medium))),
        _one("base64", _with(as_base64(medium))),
        _one("safetensors", _with(as_safetensors(medium))),
        _one("OIP", _with(as_oip(small))),
        _one("OIP in binary", _with(as_oip_binary(medium))),
        *(_one(f"a body in {coding}", _coded(as_json(medium), coding)) for coding in CODERS),
        _one("a reply in gzip", _with(as_json(medium), zipped)),
        _one("safetensors in gzip", _with(as_safetensors(medium), ("Accept-Encoding", "gzip, identity;q=0"))),
        _one("a large team job", _with(as_safetensors(large))),
        _one("a large reply", _with(as_json(large))),
        _one("a large reply in base64", _with(as_base64(large))),
        _one("a large reply in gzip", _with(as_json(large), zipped)),
        _one("element-wise", _with(as_json(make_problem(30, 10, loss=2)))),
        Scenario("chunks", (_with(as_json(medium)).chunked([1000]),), ("POST",)),
        _streamed(),
        _wrong(),
        *_lines(),
        _shared_memory(),
        _page("/metrics", is_exact=False),
        _page("/v2/models/stats", zipped, is_exact=False),
        _page("/v1/losses", zipped),
        _page("/v1/losses/cross_entropy", method="HEAD"),
        _page("/openapi.json", zipped),
        _page("/v2"),
        _page("/v2/models/cross_entropy/config"),
        _page("/v1/losses/cross_entropy", origin, ("Access-Control-Request-Method", "POST"), method="OPTIONS"),
        _one("another origin", _with(as_json(small), origin)),
    ]
