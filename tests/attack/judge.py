"""Whether a reply is right: the loss and the gradient that Python has, or a refusal that is allowed, in its form."""

from __future__ import annotations

import base64
import gzip
import json
import math
import struct
import threading

from problems import SAFETENSORS, Prepared, Problem
from record import Record
from wire import Reply, Violation

# Within 2 ulp of F32, and Python's own rounding.
RELATIVE = 3e-7
# What a good client may be refused with, while the server is there for it.
SHED = {(429, "queue_full"), (429, "too_much_memory_in_flight")}
LATE = {(504, "deadline_exceeded")}
DRAINING = {(503, "draining")}

Outputs = dict[str, object]  # of JSON numbers and lists, or bytes


def _close(got: object, wanted: float, size: float) -> bool:
    if not isinstance(got, (int, float)):
        return False
    return math.isclose(got, wanted, rel_tol=RELATIVE, abs_tol=size * 1e-9)


# ---------------------------------------------------------------- outputs


def _json(body: bytes) -> object:
    def strict(word: str) -> float:
        raise Violation(f"a reply with the number {word}, which is not JSON")

    try:
        return json.loads(body, parse_constant=strict)
    except ValueError as error:
        raise Violation(f"a reply that is no JSON ({error}): {body[:120]!r}") from None


def _of_safetensors(body: bytes) -> Outputs:
    (size,) = struct.unpack_from("<Q", body)
    header = json.loads(body[8 : 8 + size])
    data = body[8 + size :]
    spans = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return {name: data[begin:end] for name, (begin, end) in spans.items()}


def _of_base64(value: object) -> object:
    """The bytes of a tensor that is written so; else what it is."""
    if isinstance(value, dict) and "base64" in value:
        return base64.b64decode(value["base64"], validate=True)
    return value


def _of_oip(reply: Reply) -> Outputs:
    length = int(reply.headers.get("inference-header-content-length", len(reply.body)))
    document, data = _json(reply.body[:length]), reply.body[length:]
    assert isinstance(document, dict)
    out: Outputs = {}
    for output in document["outputs"]:
        if "data" in output:
            out[output["name"]] = output["data"]
        else:
            size = output["parameters"]["binary_data_size"]
            out[output["name"]], data = data[:size], data[size:]
    return out


def _outputs(prepared: Prepared, reply: Reply) -> Outputs:
    if reply.headers.get("content-encoding") == "gzip":
        reply = Reply(reply.status, reply.headers, gzip.decompress(reply.body))
    try:
        if prepared.request.target.startswith("/v2"):
            return _of_oip(reply)
        if reply.headers.get("content-type") == SAFETENSORS:
            return _of_safetensors(reply.body)
        parsed = _json(reply.body)
        assert isinstance(parsed, dict)
        return {name: _of_base64(value) for name, value in parsed.items()}
    except (KeyError, IndexError, AssertionError, ValueError, struct.error) as error:
        raise Violation(f"a reply that can not be read ({error!r}): {reply.body[:200]!r}") from None


# ---------------------------------------------------------------- numbers


def _scalar(value: object) -> object:
    if isinstance(value, bytes):
        return struct.unpack("<f", value)[0] if len(value) == 4 else None
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _rows(value: object, problem: Problem) -> list[object]:
    """The rows of a gradient: bytes, or lists of numbers, nested or flat."""
    n, width = len(problem.order), problem.classes
    if isinstance(value, bytes):
        return [value[i * width * 4 : (i + 1) * width * 4] for i in range(n)]
    if not isinstance(value, list):
        raise Violation("a gradient that is no list")
    if len(value) == n * width and not isinstance(value[0], list):
        return [value[i * width : (i + 1) * width] for i in range(n)]
    return value


def _check_row(row: object, place: int, problem: Problem) -> None:
    if isinstance(row, bytes):
        row = list(struct.unpack(f"<{len(row) // 4}f", row))
    wanted = problem.answers.gradients[place]
    scale = 1.0 / problem.denominator
    if not isinstance(row, list) or len(row) != len(wanted):
        raise Violation(f"a gradient's row that is not {len(wanted)} numbers")
    for got, exact in zip(row, wanted):
        if not _close(got, exact * scale, scale):
            raise Violation(f"a gradient with {got!r} instead of {exact * scale!r}")


class Judge:
    """Holds replies against Python's numbers; rows whose bytes were right before are right again."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._lock = threading.Lock()
        self._right: dict[tuple[int, int], bytes] = {}

    def _check_gradient(self, value: object, problem: Problem) -> None:
        rows = _rows(value, problem)
        if len(rows) != len(problem.order):
            raise Violation(f"a gradient of {len(rows)} rows instead of {len(problem.order)}")
        for row, place in zip(rows, problem.order):
            key = (id(problem), place)
            with self._lock:
                seen = self._right.get(key)
            if seen is not None and isinstance(row, bytes):
                if row != seen:
                    raise Violation("a gradient whose bits differ from those of the same problem before")
                continue
            _check_row(row, place, problem)
            if isinstance(row, bytes):
                with self._lock:
                    self._right[key] = row

    def _check_answer(self, prepared: Prepared, reply: Reply) -> None:
        outputs, problem = _outputs(prepared, reply), prepared.problem
        loss = _scalar(outputs.get("loss"))
        if not _close(loss, problem.expected, 0.0):
            raise Violation(f"{problem.loss}: a loss of {loss!r} instead of {problem.expected!r}")
        if problem.gradient:
            self._check_gradient(outputs.get("grad"), problem)

    def accept(self, prepared: Prepared, reply: Reply, refusals: set[tuple[int, str]], request_id: str = "") -> bool:
        """True: answered, and right. False: refused, as it may be. All else is a violation."""
        if request_id and reply.headers.get("x-request-id") != request_id:
            raise Violation(f"asked as {request_id}, answered as {reply.headers.get('x-request-id')}")
        if reply.status == 200:
            self._check_answer(prepared, reply)
            self.record.count("good")
            return True
        code = refusal_code(reply, prepared.request.target)
        self.record.refuse(f"{reply.status} {code}".strip())
        if not any(reply.status == status and code in ("", allowed) for status, allowed in refusals):
            raise Violation(f"a good request was answered {reply.status}: {reply.body[:300]!r}")
        return False


def refusal_code(reply: Reply, target: str) -> str:
    """The code of a refusal in its form; below /v2 there is a sentence only, and the code is empty."""
    document = _json(reply.body)
    if not isinstance(document, dict):
        raise Violation(f"a refusal {reply.status} that is no object: {reply.body[:120]!r}")
    if reply.status in (429, 503) and not reply.headers.get("retry-after", "").isdigit():
        raise Violation(f"a refusal {reply.status} without Retry-After")
    if target.startswith("/v2"):
        if not isinstance(document.get("error"), str):
            raise Violation(f"a refusal below /v2 without an error: {reply.body[:120]!r}")
        return ""
    if reply.headers.get("content-type") != "application/problem+json" or document.get("status") != reply.status:
        raise Violation(f"a refusal that is no problem document: {reply.body[:120]!r}")
    return str(document.get("code"))
