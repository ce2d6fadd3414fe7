"""Problems whose answers are known, each written in every format.

A large problem repeats the rows of a small one in a drawn order: its answer costs no more than that one's.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from losses import Row, Rows, binary_cross_entropy_with_logits, cross_entropy, nll_loss
from wire import Request

SAFETENSORS = "application/x-safetensors"


def f32(x: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


@dataclass(frozen=True)
class Problem:
    loss: str
    first: str  # the name of its first tensor
    rows: list[Row]
    targets: list[int] | list[Row]
    order: list[int]  # the rows as they are sent, by their place in `rows`
    mean: bool
    gradient: bool
    answers: Rows

    @property
    def classes(self) -> int:
        return len(self.rows[0])

    @property
    def is_dense(self) -> bool:
        return isinstance(self.targets[0], list)

    @property
    def shape(self) -> list[int]:
        return [len(self.order), self.classes]

    @property
    def denominator(self) -> int:
        if not self.mean:
            return 1
        return len(self.order) * (self.classes if self.is_dense else 1)

    @cached_property
    def expected(self) -> float:
        return sum(self.answers.losses[i] for i in self.order) / self.denominator

    @property
    def outputs(self) -> list[str]:
        return ["loss", "grad"] if self.gradient else ["loss"]

    @property
    def reduction(self) -> str:
        return "mean" if self.mean else "sum"

    @property
    def target_shape(self) -> list[int]:
        return self.shape if self.is_dense else self.shape[:1]

    def logits_bytes(self) -> bytes:
        packed = [struct.pack(f"<{self.classes}f", *row) for row in self.rows]
        return b"".join(packed[i] for i in self.order)

    def targets_bytes(self) -> bytes:
        if self.is_dense:
            packed = [struct.pack(f"<{self.classes}f", *row) for row in self.targets]  # type: ignore[misc]
        else:
            packed = [struct.pack("<q", t) for t in self.targets]
        return b"".join(packed[i] for i in self.order)


# name, first tensor, definition, whether its targets have the logits' shape
Definition = tuple[str, str, Callable[..., Rows], bool]
DEFINITIONS: tuple[Definition, ...] = (
    ("cross_entropy", "logits", cross_entropy, False),
    ("nll_loss", "log_probs", nll_loss, False),
    ("binary_cross_entropy_with_logits", "logits", binary_cross_entropy_with_logits, True),
)


def draw(rng: random.Random, definition: Definition, rows: int, classes: int, repeat: int) -> Problem:
    name, first, define, dense = definition
    numbers = [[f32(rng.gauss(0, 3)) for _ in range(classes)] for _ in range(rows)]
    targets: list[int] | list[Row] = [rng.randrange(classes) for _ in range(rows)]
    if dense:
        targets = [[f32(rng.random()) for _ in range(classes)] for _ in range(rows)]
    order = list(range(rows)) * repeat
    rng.shuffle(order)
    return Problem(name, first, numbers, targets, order, rng.random() < 0.5, rng.random() < 0.5,
                   define(numbers, targets))


# ---------------------------------------------------------------- formats


def _nested(rows: list[Row] | list[int], order: list[int]) -> str:
    texts = [json.dumps(row) for row in rows]
    return "[" + ",".join(texts[i] for i in order) + "]"


def as_json(p: Problem) -> Request:
    body = (f'{{"{p.first}":{_nested(p.rows, p.order)},"targets":{_nested(p.targets, p.order)},'
            f'"reduction":"{p.reduction}","outputs":{json.dumps(p.outputs)}}}')
    return Request(f"/v1/losses/{p.loss}", (("Content-Type", "application/json"),), body.encode())


def as_base64(p: Problem) -> Request:
    """JSON whose tensors are bytes, in and out."""
    def typed(dtype: str, shape: list[int], data: bytes) -> dict[str, object]:
        return {"dtype": dtype, "shape": shape, "base64": base64.b64encode(data).decode()}

    body = json.dumps({
        p.first: typed("F32", p.shape, p.logits_bytes()),
        "targets": typed("F32" if p.is_dense else "I64", p.target_shape, p.targets_bytes()),
        "reduction": p.reduction, "outputs": p.outputs, "tensors": "base64"})
    return Request(f"/v1/losses/{p.loss}", (("Content-Type", "application/json"),), body.encode())


def _safetensors(p: Problem) -> bytes:
    logits, targets = p.logits_bytes(), p.targets_bytes()
    both = len(targets) + len(logits)
    header = json.dumps({
        "targets": {"dtype": "F32" if p.is_dense else "I64", "shape": p.target_shape,
                    "data_offsets": [0, len(targets)]},
        p.first: {"dtype": "F32", "shape": p.shape, "data_offsets": [len(targets), both]},
    }).encode()
    return struct.pack("<Q", len(header)) + header + targets + logits


def _query_target(p: Problem) -> str:
    return f"/v1/losses/{p.loss}?reduction={p.reduction}&outputs={','.join(p.outputs)}"


def as_safetensors(p: Problem) -> Request:
    headers = (("Content-Type", SAFETENSORS), ("Accept", SAFETENSORS))
    return Request(_query_target(p), headers, _safetensors(p))


def as_safetensors_for_json(p: Problem) -> Request:
    return Request(_query_target(p), (("Content-Type", SAFETENSORS),), _safetensors(p))


def _document(p: Problem, logits: dict[str, object], targets: dict[str, object], binary: bool) -> bytes:
    targets_type = "FP32" if p.is_dense else "INT64"
    return json.dumps({
        "inputs": [
            {"name": p.first, "shape": p.shape, "datatype": "FP32", **logits},
            {"name": "targets", "shape": p.target_shape, "datatype": targets_type, **targets},
        ],
        "outputs": [{"name": name} for name in p.outputs],
        "parameters": {"reduction": p.reduction, "binary_data_output": binary},
    }).encode()


def as_oip(p: Problem) -> Request:
    logits, targets = [p.rows[i] for i in p.order], [p.targets[i] for i in p.order]
    body = _document(p, {"data": logits}, {"data": targets}, False)
    return Request(f"/v2/models/{p.loss}/infer", (("Content-Type", "application/json"),), body)


def as_oip_binary(p: Problem) -> Request:
    logits, targets = p.logits_bytes(), p.targets_bytes()
    sizes: list[dict[str, object]] = [{"parameters": {"binary_data_size": len(data)}} for data in (logits, targets)]
    document = _document(p, sizes[0], sizes[1], True)
    headers = (("Inference-Header-Content-Length", str(len(document))),)
    return Request(f"/v2/models/{p.loss}/infer", headers, document + logits + targets)


def zipped(request: Request) -> Request:
    headers = (*request.headers, ("Content-Encoding", "gzip"))
    return Request(request.target, headers, gzip.compress(request.body, 1))


FORMATS: tuple[Callable[[Problem], Request], ...] = (
    as_json, as_base64, as_safetensors, as_safetensors_for_json, as_oip, as_oip_binary)
BINARY: tuple[Callable[[Problem], Request], ...] = (as_safetensors, as_oip_binary)


# ---------------------------------------------------------------- the pool


@dataclass(frozen=True)
class Prepared:
    """A request and what its answer must be."""

    problem: Problem
    request: Request


@dataclass(frozen=True)
class Pool:
    small: list[Prepared]  # a few KB, in all formats, plain and compressed
    medium: list[Prepared]  # 100 KB to 2 MB
    large: list[Prepared]  # up to 30 MB
    wordy: list[Prepared]  # whose replies are large


def _all_formats(problem: Problem) -> list[Prepared]:
    requests = [form(problem) for form in FORMATS]
    return [Prepared(problem, request) for request in [*requests, *map(zipped, requests)]]


Size = tuple[int, Callable[[Problem], Request]]  # how often 40 rows of 1000 classes are repeated
LARGE: tuple[Size, ...] = ((190, as_safetensors), (180, as_oip_binary), (35, as_json), (50, as_safetensors))
WORDY: tuple[Size, ...] = ((50, as_safetensors), (50, as_oip_binary), (12, as_safetensors_for_json))


def _sized(rng: random.Random, sizes: tuple[Size, ...], gradient: bool) -> list[Prepared]:
    out = []
    for repeat, form in sizes:
        problem = replace(draw(rng, DEFINITIONS[0], 40, 1000, repeat), gradient=gradient)
        out.append(Prepared(problem, form(problem)))
    return out


def make_pool(seed: int) -> Pool:
    rng = random.Random(f"{seed}/pool")
    small, medium = [], []
    for definition in DEFINITIONS * 4:
        small += _all_formats(draw(rng, definition, rng.randint(1, 12), rng.randint(2, 30), 1))
    for definition in DEFINITIONS * 2:
        problem = draw(rng, definition, 16, 250, rng.choice([4, 40, 120]))
        medium += [Prepared(problem, form(problem)) for form in BINARY]
    return Pool(small, medium, _sized(rng, LARGE, False), _sized(rng, WORDY, True))
