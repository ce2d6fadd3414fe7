"""Requests whose end is in doubt. After each stands a marker: a request that must never be taken for one."""

from __future__ import annotations

import random

from wire import Violation
from world import World, draw_id, harmless

POST = b"POST /v1/losses/cross_entropy HTTP/1.1\r\n"
HOST = b"Host: attack\r\n"
GET = b"GET /v1/losses HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LOOK = 1.0  # seconds to look for what comes, where the server may wait for more


def _length(value: bytes) -> bytes:
    return POST + HOST + b"Content-Length: " + value + b"\r\n\r\nabcde"


def _coding(value: bytes) -> bytes:
    return POST + HOST + b"Transfer-Encoding:" + value + b"\r\n\r\n0\r\n\r\n"


def _chunk(size: bytes) -> bytes:
    return POST + HOST + CHUNKED + size + b"\r\nabc\r\n0\r\n\r\n"


CASES: dict[str, bytes] = {
    "length and coding": POST + HOST + b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
    "coding and length": POST + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + HOST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nabcde",
    "a doubled length": POST + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    **{f"length {value!r}": _length(value) for value in (
        b"-1", b"+5", b"0x5", b"5,5", b"", b"5 5", b"1e1", b"18446744073709551616", b"9223372036854775808", b"5 ")},
    **{f"coding {value!r}": _coding(value) for value in (
        b" chunked ", b" chunked\t", b" gzip, chunked", b" xchunked", b" identity", b"", b" chunked, chunked")},
    **{f"chunk {value!r}": _chunk(value) for value in (
        b"-1", b"0x3", b"", b"ffffffffffffffff", b"10000000000000000", b"7fffffffffffffff", b"+3", b"g")},
    "no line end after a chunk": POST + HOST + CHUNKED + b"3\r\nabcX0\r\n\r\n",
    "a folded header": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "a folded length": POST + HOST + b"Content-Length: 5\r\n 0\r\n\r\nabcde",
    "a bare line feed": GET + HOST + b"X: a\nContent-Length: 5\r\n\r\n",
    "line feeds only": b"GET /v1/losses HTTP/1.1\nHost: attack\n\n",
    "a bare carriage return": GET + HOST + b"X: a\rY: b\r\n\r\n",
    "NUL in a value": GET + HOST + b"X: a\0b\r\n\r\n",
    "NUL after a length": POST + HOST + b"Content-Length: 5\x000\r\n\r\nabcde",
    "a space before the colon": POST + HOST + b"Content-Length : 5\r\n\r\nabcde",
    "a line without a colon": GET + HOST + b"nonsense\r\n\r\n",
    "two hosts": GET + HOST + HOST + b"\r\n",
    "no host": GET + b"\r\n",
    "no length": POST + HOST + b"\r\n",
    "40 KB in a header": GET + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
    "a target of 40 KB": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "5,000 headers": GET + HOST + b"".join(b"X%d: a\r\n" % i for i in range(5000)) + b"\r\n",
    "another version": b"GET /v1/losses HTTP/2.0\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    "nothing but zeros": bytes(3000),
}
NAMES = tuple(CASES)


def uncertain_framing(world: World, rng: random.Random) -> None:
    name, mark = rng.choice(NAMES), f"smuggled-{draw_id(rng)}".encode()
    marker = b"GET /v2/health/live HTTP/1.1\r\nHost: attack\r\nX-Request-Id: " + mark + b"\r\n\r\n"
    with world.connect(LOOK) as connection:
        try:
            world.send(connection, CASES[name] + marker)
            connection.rest()
        except (TimeoutError, ConnectionError):
            pass
        seen = connection.received
    if mark in seen:
        raise Violation(f"{name}: the request hidden after it was answered: {seen[:400]!r}")
    if seen.startswith(b"HTTP/1.1 ") and seen[9:12].isdigit():
        harmless(int(seen[9:12]), name.encode() + seen)
        world.record.refuse(seen[9:12].decode())
