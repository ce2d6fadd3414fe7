#!/usr/bin/env python3
"""Tensors in base64 and bodies in zstd, both ways, by Python's standard library and by zstandard."""

from harness import tap

tap.need("zstandard")

import base64
import http.client
import json
import random
import re
import struct

import zstandard

from harness.daemon import daemon

PATH = "/v1/losses/cross_entropy"
JSON = {"Content-Type": "application/json"}
ROWS, CLASSES = 50, 400
OUTPUTS = ["loss", "grad", "lse", "predicted"]
FORMATS = {"F32": "f", "I64": "q", "I32": "i"}


def post(server, body, headers=(), query=""):
    """The status, the headers and the body, as they come: http.client decodes nothing."""
    connection = http.client.HTTPConnection(server.address, timeout=60)
    connection.request("POST", PATH + query, body, {**JSON, **dict(headers)})
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def good(found):
    tap.expect(found[0] == 200, found[0], found[2][:300])
    return found


def problem():
    drawn = random.Random(7)
    logits = [drawn.gauss(0, 4) for _ in range(ROWS * CLASSES)]
    return list(struct.unpack(f"<{len(logits)}f", struct.pack(f"<{len(logits)}f", *logits)))


def targets():
    return [7 * row % CLASSES for row in range(ROWS)]


def typed(dtype, shape, values):
    packed = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
    return {"dtype": dtype, "shape": shape, "base64": base64.b64encode(packed).decode()}


def body_of_numbers(**more):
    logits = problem()
    rows = [logits[i : i + CLASSES] for i in range(0, len(logits), CLASSES)]
    return json.dumps({"logits": rows, "targets": targets(), "outputs": OUTPUTS, **more}).encode()


def body_of_base64(**more):
    members = {"logits": typed("F32", [ROWS, CLASSES], problem()), "targets": typed("I32", [ROWS], targets())}
    return json.dumps({**members, "outputs": OUTPUTS, **more}).encode()


def flat(value):
    return [x for part in value for x in flat(part)] if isinstance(value, list) else [value]


def bits_of(member, dtype):
    """Of an output in either form."""
    if isinstance(member, dict):
        tap.expect(member["dtype"] == dtype, member)
        return base64.b64decode(member["base64"], validate=True)
    return struct.pack(f"<{len(flat(member))}{FORMATS[dtype]}", *flat(member))


def results(body):
    reply = json.loads(body)
    return [bits_of(reply[name], "I64" if name == "predicted" else "F32") for name in OUTPUTS]


def without_times(body):
    return re.sub(rb'"metrics":.*', b"", body)


def test_base64_gives_the_bits_of_numbers(server):
    wanted = results(good(post(server, body_of_numbers()))[2])
    for body in (body_of_base64(), body_of_base64(tensors="base64"), body_of_numbers(tensors="base64")):
        tap.expect(results(good(post(server, body))[2]) == wanted, body[:100])


def test_what_python_takes_for_base64_is_told_apart(server):
    """b64decode takes line breaks and lacks no padding; the server does neither, and says so."""
    text = base64.b64encode(struct.pack("<3f", -0.7715, -0.6205, 1e10)).decode()
    bytes_of_lines = base64.encodebytes(struct.pack("<3f", -0.7715, -0.6205, 1e10)).decode()
    url = base64.urlsafe_b64encode(b"\xff" * 12).decode()
    cases = [(bytes_of_lines, "line breaks"), (text[:-1], "multiple of four"), (url, "base64url")]
    for wrong, words in cases:
        logits = {"dtype": "F32", "shape": [1, 3], "base64": wrong}
        status, _, body = post(server, json.dumps({"logits": logits, "targets": [0]}))
        tap.expect(status == 422 and words in body.decode(), status, body[:300])
        tap.expect(json.loads(body)["pointer"] == "/logits/base64", body)


def test_bodies_in_zstd(server):
    plain = body_of_base64()
    wanted = results(good(post(server, plain))[2])
    half = len(plain) // 2
    once = zstandard.ZstdCompressor
    coded = [once(level=level, write_checksum=True).compress(plain) for level in (-5, 1, 3, 12, 19)]
    coded.append(once(write_content_size=False).compress(plain))
    coded.append(once().compress(plain[:half]) + once().compress(plain[half:]))
    for body in coded:
        found = good(post(server, body, {"Content-Encoding": "zstd"}))
        tap.expect(results(found[2]) == wanted)


def test_a_stream_of_zstd_in_chunks(server):
    """As it is written piece by piece, of a length that nobody knows."""
    plain = body_of_numbers()
    coder = zstandard.ZstdCompressor(level=3).compressobj()

    def pieces():
        for at in range(0, len(plain), 10007):
            yield coder.compress(plain[at : at + 10007])
            yield coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        yield coder.flush()

    wanted = results(good(post(server, plain))[2])
    found = good(post(server, (piece for piece in pieces() if piece), {"Content-Encoding": "zstd"}))
    tap.expect(results(found[2]) == wanted)


def test_windows_are_bounded(server):
    """Of a length that is not known the window is what was asked for, and not what is needed."""
    for window_log, wanted in ((23, 200), (24, 400)):
        parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
        coder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        body = coder.compress(body_of_base64()) + coder.flush()
        status, _, reply = post(server, body, {"Content-Encoding": "zstd"})
        tap.expect(status == wanted and (status == 200 or b"8 MiB" in reply), status, reply[:300])


def test_replies_in_zstd(server):
    for body, query in ((body_of_numbers(), ""), (body_of_base64(tensors="base64"), "?compress=true")):
        plain = good(post(server, body, {"Accept-Encoding": "identity"}, query))
        for accept in ("zstd", "gzip, deflate, br, zstd", "zstd;q=0.5, gzip;q=0.4", "*"):
            _, headers, coded = good(post(server, body, {"Accept-Encoding": accept}, query))
            tap.expect(headers.get("Content-Encoding") == "zstd", accept, headers)
            tap.expect(headers.get("Vary") == "Accept-Encoding", headers)
            tap.expect(len(coded) < len(plain[2]), accept, len(coded))
            decoder = zstandard.ZstdDecompressor(max_window_size=8 << 20).decompressobj()
            text = decoder.decompress(coded)
            tap.expect(decoder.eof and not decoder.unused_data, accept)
            tap.expect(without_times(text) == without_times(plain[2]), accept)


if __name__ == "__main__":
    tap.main(globals(), daemon)
