#!/usr/bin/env python3
"""Writes the first inputs of every fuzz target below a folder: real requests, good and bad.

    tests/fuzz/targets/seeds.py FOLDER        needs nothing but Python

The good ones are the shortest of tests/fixtures/pytorch, one of each kind, in every format. How an
input is read is said at the top of each fuzz_*.c. The same bytes each time.
"""

import base64
import glob
import gzip
import json
import os
import struct
import sys
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
TENSORS = {"logits", "log_probs", "probs", "targets", "weight", "pos_weight", "row_weight", "mask",
           "groups", "bytes", "grad_output"}
PACK = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b",
        "U64": "Q", "U32": "I", "U16": "H", "U8": "B", "BOOL": "?"}
OIP = {"F64": "FP64", "F32": "FP32", "F16": "FP16", "I64": "INT64", "I32": "INT32",
       "I16": "INT16", "I8": "INT8", "U64": "UINT64", "U32": "UINT32", "U16": "UINT16",
       "U8": "UINT8", "BOOL": "BOOL"}
LONGEST = 420  # bytes of a request that becomes a seed


def requests():
    """(loss, request) of the shortest fixture for each set of fields, tensor ranks and dtypes."""
    kinds = {}
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/fixtures/pytorch/*.json"))):
        with open(path, encoding="utf-8") as file:
            for case in json.load(file)["cases"]:
                request = json.loads(case["request"])
                kind = (case["loss"], tuple(sorted(request)), str(request.get("reduction")))
                best = kinds.get(kind)
                if not best or len(case["request"]) < len(best[1]):
                    kinds[kind] = (case["loss"], case["request"])
    return [(loss, text) for loss, text in kinds.values() if len(text) <= LONGEST]


def tensor(value):
    """dtype, shape and flat values, as the server reads them."""
    if isinstance(value, dict):
        return value["dtype"], value["shape"], value["data"]
    shape, flat, level = [], value, value
    while isinstance(level, list):
        shape.append(len(level))
        level = level[0] if level else None
    for _ in shape[1:]:
        flat = [x for row in flat for x in row]
    flat = flat if shape else [flat]
    if flat and all(isinstance(x, bool) for x in flat):
        return "BOOL", shape, flat
    whole = all(isinstance(x, int) and not isinstance(x, bool) for x in flat)
    return ("I64" if whole else "F32"), shape, flat


def pack(dtype, flat):
    values = [float(x) if dtype[0] == "F" else x for x in flat]
    return struct.pack(f"<{len(values)}{PACK[dtype]}", *values)


def parts(text):
    """Tensors of a request, in order, and everything else; None where a dtype has no bytes here."""
    request = json.loads(text)
    tensors = {k: tensor(v) for k, v in request.items() if k in TENSORS and v is not None}
    for name, (dtype, shape, flat) in tensors.items():
        if name in ("logits", "log_probs", "probs", "grad_output") and dtype == "I64":
            tensors[name] = ("F32", shape, flat)
    if any(dtype not in PACK for dtype, _, _ in tensors.values()):
        return None
    return tensors, {k: v for k, v in request.items() if k not in TENSORS}


def query(rest):
    items = []
    for name, value in rest.items():
        if name == "outputs":
            items += [f"outputs={x}" for x in value]
        elif value is not None:
            items.append(f"{name}={value if isinstance(value, str) else json.dumps(value)}")
    return "?" + "&".join(items) if items else ""


def safetensors(text):
    tensors, rest = parts(text)
    header, data = {}, b""
    for name in sorted(tensors, key=lambda n: n in ("logits", "log_probs", "probs")):
        dtype, shape, flat = tensors[name]
        raw = pack(dtype, flat)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return query(rest), json.dumps(header, separators=(",", ":")).encode(), data


def oip(text, binary):
    tensors, rest = parts(text)
    inputs, data = [], b""
    for name, (dtype, shape, flat) in tensors.items():
        entry = {"name": name, "datatype": OIP[dtype], "shape": shape or [1]}
        if binary:
            raw = pack(dtype, flat)
            entry["parameters"] = {"binary_data_size": len(raw)}
            data += raw
        else:
            entry["data"] = flat
        inputs.append(entry)
    document = {"inputs": inputs}
    outputs = rest.pop("outputs", None)
    if outputs:
        document["outputs"] = [{"name": x} for x in outputs]
        if binary:
            document["outputs"][0]["parameters"] = {"binary_data": True}
    if rest:
        document["parameters"] = {k: v for k, v in rest.items() if v is not None}
    return json.dumps(document, separators=(",", ":")).encode(), data


CE = b'{"logits":[[1,2,3],[4,5,6]],"targets":[0,2]}'
BAD_JSON = [
    b"", b" ", b"{", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", b"\xef\xbb\xbf{}", b'{"a":01}', b'{"a":"\\ud800"}', b"{}x",
    b'{"logits":[[1,2],[3]],"targets":[0,1]}', b'{"logits":[[1,2]],"targets":[0],"targets":[0]}',
    b'{"logitz":[1],"targets":0}', b'{"logits":[[1e999,NaN,-Infinity]],"targets":[9007199254740993]}',
    b'{"logits":{"dtype":"F32","shape":[9223372036854775808,2,0],"data":[]},"targets":[]}',
    b'{"logits":{"data":[1,2,3],"shape":[1,3],"dtype":"BF16"},"targets":{"dtype":"U8","shape":[1],"data":[2]}}',
    b'{"logits":[["NaN","Infinity",4.9e-324]],"targets":[0],"outputs":["loss","probs","lse"]}',
]
BAD_SAFETENSORS = [
    b" 0\n", b" 8\n{}", b" 65537\n{}", b" 9223372036854775808\n{", b"\n[]", b"\n {}",
    b'\n{"logits":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"targets":{"dtype":"I64","shape":[1],'
    b'"data_offsets":[8,17]}}\n' + bytes(17),
    b'\n{"logits":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}\n',
    b'\n{"__metadata__":{"format":"pt"},"targets":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
    b'"logits":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]}}\n' + bytes(9),
    b'?temperature=none&label_smoothing=many\n{"targets":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},'
    b'"logits":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}\n' + bytes(16),
]
BAD_OIP = [
    b'{"inputs":[{"name":"logits","shape":[2,3],"datatype":"FP32","data":[[1,2,3],[4,5,6]]},'
    b'{"name":"targets","shape":[2],"datatype":"INT64","data":[0,2]}],"id":"a","parameters":{"timeout":60000000}}',
    b'{"inputs":[]}', b'{"inputs":[{"name":"logits"},{"name":"logits"}]}', b'{"outputs":[{"name":"loss"},{"name":"loss"}]}',
    b'{"inputs":[{"name":"targets","shape":[1],"datatype":"BYTES","data":["a"]}]}',
    b'{"inputs":[{"name":"logits","shape":[1,2],"datatype":"FP32","parameters":{"shared_memory_region":"r",'
    b'"shared_memory_byte_size":8}}]}',
]
HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /openapi.yaml HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0.5, identity;q=0\r\n\r\n",
    b"GET /openapi.yaml HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0.5, zstd;q=0.6, *;q=0\r\n\r\n",
    b"HEAD /v1/losses HTTP/1.0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\n\r\n",
    b"GET /v1/losses/kl_div HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc-1\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n\r\n",
    b"POST /v1/losses/cross_entropy?outputs=loss,grad&reduction=sum HTTP/1.1\r\nHost: a\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Accept: application/x-safetensors;q=0.9, */*;q=0.1\r\n\r\n%s" % (len(CE), CE),
    b"POST /v1/losses/cross_entropy?label_smoothing=%30%2e1&&outputs= HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\nX-Request-Timeout-Ms: 60000\r\n\r\n",
    b"POST /v1/losses/cross_entropy HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /v1/losses/cross_entropy HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: +5\r\n\r\n",
    b"GET http://a/v2/health/live?x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /a%00b/%2e%2e/ HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n",
    b"POST /v2/models/cross_entropy/versions/1/infer HTTP/1.1\r\nHost: a\r\n"
    b"Inference-Header-Content-Length: 64\r\nContent-Length: 64\r\n\r\n",
    b"PATCH /metrics HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
]
DOCUMENTS = [
    b"", b"{}", b"[]", b'{"key":"/a","offset":0,"byte_size":64}', b'{"key":"/abcdefghijklmnopqrst"}',
    b'{"key":"\\u0041\\u0000"}', b'{"key":null}', b'{"key":"/a","key":"/a"}', b'{"key":5}',
    b'{"key":"a","byte_size":18446744073709551615}', b'{"key":"a","byte_size":1.5}',
    b'{"parameters":{"a":[{}]},"key":"x","unload_dependents":true}', b'{"key":"a","offset":-1}', b'{"k',
]


BASE64 = [
    b"", b"AAAA", b"AA==", b"AAA=", b"AB==", b"AAB=", b"A", b"A===", b"=", b"AA=A", b"AAAA=", b"A-A_", b"AA AA", b"\xff/+/",
    base64.b64encode(bytes(range(256))), base64.b64encode(bytes(range(256)))[:-1],
    base64.b64encode(bytes(300))[:150] + b"*" + base64.b64encode(bytes(300)),
]
BASE64_JSON = [
    b'{"logits":{"dtype":"F32","shape":[1,3],"base64":"BoFFvxfZHr+lLIO+"},"targets":{"dtype":"U8","shape":[1],"base64":"AQ=="}}',
    b'{"logits":{"base64":"BoFFvxfZHr\\u002blLIO+","shape":[1,3],"dtype":"F32"},"targets":[0],"tensors":"base64"}',
    b'{"logits":{"dtype":"F32","shape":[1,3],"base64":"BoFFvxfZHr-lLIO-"},"targets":[0]}',
    b'{"logits":{"dtype":"F32","shape":[1,3],"base64":"BoFF"},"targets":[0]}',
    b'{"logits":{"dtype":"F32","shape":[1,3],"base64":"BoFFvxfZHr+lLIO+AAAA"},"targets":[0]}',
    b'{"logits":{"dtype":"F32","shape":[1],"base64":"AACAPw==","data":[1]},"targets":0}',
    b'{"logits":{"dtype":"F32","shape":[1],"base64":["AA"]},"targets":0}',
    b'{"logits":[[1,2]],"targets":[0],"mask":{"dtype":"BOOL","shape":[1],"base64":"Ag=="},"outputs":["lse"]}',
]


def request(path, headers, body):
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines + headers + [b"", body])


def seeds():
    """(target, bytes) of all."""
    good = requests()
    for loss, text in good:
        name = loss.encode()
        yield "json", name + b"\n" + text.encode()
        if not parts(text):
            continue
        asked, header, data = safetensors(text)
        yield "safetensors", name + asked.encode() + b"\n" + header + b"\n" + data
        document, _ = oip(text, False)
        yield "oip_json", name + b"\n" + document
        document, data = oip(text, True)
        yield "oip_binary", name + b"\n" + document + b"\n" + data
    for loss in sorted({loss for loss, _ in good}):
        texts = [text.encode() for name, text in good if name == loss][:3]
        yield "lines", loss.encode() + b"\n" + b"\n".join(texts)
    for end in (b"\n", b"\r\n", b"\n\n \t\r\n", b" \n{\n"):
        yield "lines", b"cross_entropy?outputs=loss&outputs=grad\n" + end.join([CE, b"[]", CE, b"{}"]) + end
    yield "lines", b"cross_entropy\n" + b"\n".join(BAD_JSON)
    yield "lines", b"cross_entropy?non_finite=null\n\n\r\n"
    for body in BAD_JSON:
        yield "json", b"cross_entropy?outputs=loss&outputs=grad\n" + body
    for body in BASE64_JSON:
        yield "json", b"cross_entropy?outputs=loss,grad&tensors=base64\n" + body
        yield "json", b"cross_entropy\n" + body
    for text in BASE64:
        yield "base64", text
    for body in BAD_SAFETENSORS:
        yield "safetensors", b"cross_entropy" + body
    for body in BAD_OIP:
        yield "oip_json", b"cross_entropy\n" + body
        yield "oip_binary", b"cross_entropy %d\n" % len(body) + body + bytes(8)
    for length in (b"-1", b"147", b"70000", b"18446744073709551616", b"many", b"0"):
        yield "oip_binary", b"cross_entropy " + length + b"\n{}"
    for body in (b"", CE, CE + bytes(3000), bytes(range(256))):
        yield "coding", b"plain cross_entropy\n" + body
        coded = gzip.compress(body, mtime=0)
        for bad in (coded, coded + coded, coded[:-3], coded + b"x", coded[:-8] + bytes(8)):
            yield "coding", b"gzip\n" + bad
        coded = zlib.compress(body)
        for bad in (coded, coded + coded, coded[:-3], zlib.compress(body, 0)):
            yield "coding", b"deflate\n" + bad
    yield "coding", b"gzip\n" + gzip.compress(bytes(1 << 21), mtime=0)
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/fixtures/numpy/*.np?"))):
        with open(path, "rb") as file:
            yield "numpy", (b"npz cross_entropy?outputs=loss,grad\n" if path.endswith("z") else b"npy\n") + file.read()
    for header in (b"{}", b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }" + b" " * 20,
                   b"{'shape': (4294967296, 4294967296, 2), 'descr': '<f8', 'fortran_order': False}",
                   b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}",
                   b"{'descr': '|O', 'fortran_order': True, 'shape': (0, 99999999999)}"):
        yield "numpy", b"npy\n\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(4)
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/fixtures/zstd/*.zst"))):
        with open(path, "rb") as file:
            coded = file.read()
        for bad in (coded, coded + coded, coded[:-3], b"\x50\x2a\x4d\x18\x01\0\0\0a" + coded):
            yield "coding", b"zstd\n" + bad
    yield "coding", b"zstd\n\x28\xb5\x2f\xfd\0\x68" + 64 * b"\x02\0\x10 " + b"\1\0\0"
    for head in HEADS:
        yield "head", head
        yield "request", head
        yield "connection", head
    for document in DOCUMENTS:
        yield "control", document
    for document in TOTALS:
        yield "totals", document
    loss, text = good[0]
    asked, header, data = safetensors(text)
    document, raw = oip(text, True)
    wires = [
        (b"/v1/losses/" + loss.encode(), [b"Content-Type: application/json"], text.encode()),
        (b"/v1/losses/" + loss.encode(), [b"Content-Encoding: gzip", b"Accept-Encoding: gzip"],
         gzip.compress(text.encode(), mtime=0)),
        (b"/v1/losses/" + loss.encode() + asked.encode(),
         [b"Content-Type: application/x-safetensors", b"Accept: application/x-safetensors"],
         struct.pack("<Q", len(header)) + header + data),
        (b"/v2/models/" + loss.encode() + b"/infer", [], oip(text, False)[0]),
        (b"/v2/models/" + loss.encode() + b"/infer",
         [b"Inference-Header-Content-Length: %d" % len(document)], document + raw),
        (b"/v2/repository/index", [], b'{"ready":true}'),
        (b"/v2/systemsharedmemory/region/a/register", [], b'{"key":"/a","offset":0,"byte_size":64}'),
    ]
    for wire in wires:
        yield "request", request(*wire)
        yield "connection", request(*wire)
    yield "connection", HEADS[0] + HEADS[4] + request(*wires[0])
    yield "connection", (b"POST /v1/losses/cross_entropy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"%x\r\n%s\r\n0\r\n\r\n" % (len(CE), CE))
    yield "connection", b"GET / HTTP/1.1\nHost: a\n\n"
    yield "connection", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"
    yield "connection", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"
    yield "connection", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"
    yield "connection", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def put_sum(value):
    """A whole number below 2^32 as an exact sum: in units of 2^-1074, of which 2^1074 is in limb 33."""
    limbs = [value << 18 & 0xffffffff, value >> 14]
    first = 33 + (limbs[0] == 0)
    limbs = [limb for limb in limbs if limb]
    return struct.pack("<BBB", 0, len(limbs), first) + b"".join(struct.pack("<I", limb) for limb in limbs)


def state(loss, rows, sections):
    """What src/state.h has, without the checksum."""
    text = b"LT\1\0" + bytes(8) + struct.pack("<B", len(loss)) + loss + struct.pack("<QQ", rows, rows)
    for tag, data in sections:
        text += tag + struct.pack("<I", len(data)) + data
    return text


def as_text(data):
    checksum = 0xcbf29ce484222325
    for byte in data:
        checksum = (checksum ^ byte) * 0x100000001b3 & 2**64 - 1
    return base64.b64encode(data + struct.pack("<Q", checksum))


SUMS = [(b"L", put_sum(5)), (b"D", put_sum(3))]
BINS = struct.pack("<BI", 1, 15) + struct.pack("<IQQ", 2, 3, 1) + put_sum(2)
STATES = [
    state(b"cross_entropy", 3, SUMS),
    state(b"cross_entropy", 3, SUMS + [(b"N", put_sum(7)), (b"C", struct.pack("<Q", 2)), (b"Z", put_sum(1)),
                                       (b"B", BINS)]),
    state(b"kl_div", 3, [(b"L", b"\4\0"), (b"D", put_sum(3))]),
    state(b"nll_loss", 2**63 - 1, SUMS),
    state(b"cross_entropy", 0, [(b"L", b"\0\0"), (b"D", b"\0\0")]),
    state(b"nothing", 3, SUMS),
]
TOTALS = [b"state\n" + data for data in STATES] + [
    b'{"totals":[{"state":"' + as_text(STATES[0]) + b'"},{"rows":3,"state":"' + as_text(STATES[1]) + b'"}]}',
    b'[{"loss":1,"totals":{"state":"' + as_text(STATES[1]) + b'"}}]',
    b'{"state":"' + as_text(STATES[2]) + b'"}',
    b'[{"state":"AAAA"},{"totals":[]},3]',
    b'{"totals":[{"st\\u0061te":"TFQB"}],"x":{}}',
]


def main():
    numbers = {}
    for target, data in seeds():
        folder = os.path.join(sys.argv[1], target)
        os.makedirs(folder, exist_ok=True)
        numbers[target] = numbers.get(target, 0) + 1
        with open(os.path.join(folder, f"seed-{numbers[target]:03}"), "wb") as file:
            file.write(data)
    print(", ".join(f"{target} {n}" for target, n in numbers.items()))


if __name__ == "__main__":
    main()
