"""Problems as NumPy arrays, those of the PyTorch fixtures too, and how results are compared."""

import glob
import json
import math
import os

import ml_dtypes
import numpy as np

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
DTYPES = {name: np.dtype(kind) for name, kind in DTYPES.items()}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
INPUTS = ("logits", "log_probs", "probs", "predictions")
TENSORS = INPUTS + ("targets", "weight", "pos_weight", "row_weight", "mask", "groups", "bytes", "grad_output",
                    "sampling_log_probs", "advantages", "reference_log_probs", "teacher_logits", "teacher_indices",
                    "teacher_log_probs", "var")
# Losses whose targets are classes; those of cross_entropy may be probabilities instead.
OF_CLASSES = ("cross_entropy", "nll_loss", "policy_gradient", "divergence", "multi_margin_loss", "brier_score")
INTEGERS = ("teacher_indices", "groups", "bytes")


class Problem:
    def __init__(self, loss, tensors, outputs, **arguments):
        self.loss = loss
        self.tensors = tensors
        self.outputs = outputs
        self.arguments = arguments

    def dtypes(self):
        return {NAMES[tensor.dtype] for tensor in self.tensors.values()}


class Result:
    """outputs: name to array; totals: name to number, empty where the loss has none."""

    def __init__(self, outputs, totals):
        self.outputs = outputs
        self.totals = totals


# ------------------------------------------------------------------ from JSON


def round_to(values, dtype):
    """The doubles, rounded once to a type: half to even, too large to infinity or, without one, to NaN."""
    values = np.asarray(values, np.float64)
    if not (dtype == np.float64 or values.size == 0):
        limits = ml_dtypes.finfo(dtype)
        _, exponent = np.frexp(values)
        lowest = math.frexp(float(limits.smallest_normal))[1]
        shift = np.maximum(exponent, lowest) - 1 - limits.nmant
        steps = np.ldexp(values, -shift)
        whole = np.ldexp(np.rint(steps), shift)
        values = np.where(np.isfinite(values), whole, values)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _shape(value):
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _flat(value):
    if not isinstance(value, list):
        return [value]
    return [number for part in value for number in _flat(part)]


def _tensor(value, dtype):
    """A tensor in any of its three forms; dtype is that of a nested one."""
    shape = _shape(value)
    if isinstance(value, dict):
        dtype, shape, value = DTYPES[value["dtype"]], tuple(value["shape"]), value["data"]
    numbers = _flat(value)
    if dtype.kind in "iub":
        return np.array(numbers, dtype).reshape(shape)
    return round_to([float(number) for number in numbers], dtype).reshape(shape)


def from_json(loss, text):
    """The problem that a body of /v1 states."""
    members = {name: value for name, value in json.loads(text).items() if value is not None}
    outputs = members.pop("outputs", [])
    written = {name: members.pop(name) for name in TENSORS if name in members}
    first = next(name for name in INPUTS if name in written)
    logits = _tensor(written[first], DTYPES["F32"])
    beside = DTYPES["F64" if logits.dtype == np.float64 else "F32"]
    tensors = {}
    for name, value in written.items():
        dtype = beside
        if name == "targets" and loss in OF_CLASSES:
            may_be_probabilities = loss == "cross_entropy" and not isinstance(value, dict)
            is_index = not may_be_probabilities or _shape(value) != logits.shape
            dtype = DTYPES["I64"] if is_index else beside
        if name in INTEGERS:
            dtype = DTYPES["I64"]
        if name == "mask":
            dtype = DTYPES["BOOL"]
        tensors[name] = logits if name == first else _tensor(value, dtype)
    return Problem(loss, tensors, outputs, **members)


# ------------------------------------------------------------------ fixtures


def fixtures():
    """Yields (case, problem) for all of tests/fixtures/pytorch."""
    paths = sorted(glob.glob("tests/fixtures/pytorch/*.json"))
    if not paths:
        raise RuntimeError(f"no fixtures below {os.getcwd()}: run it in the project's root")
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for case in json.load(file)["cases"]:
                yield case, from_json(case["loss"], case["request"])


def _far(got, want, rtol, atol):
    got = np.asarray(got, np.float64).reshape(-1)
    want = np.array([float(number) for number in want], np.float64)
    if got.shape != want.shape:
        return f"{got.size} values, not {want.size}"
    bad = ~np.isclose(got, want, rtol, atol, equal_nan=True)
    return f"{got[bad][0]!r}, not {want[bad][0]!r}" if bad.any() else None


def complaints(case, result):
    """What is wrong with the result, as sentences; none when all is well."""
    found = []
    if set(result.outputs) != set(case["expect"]):
        found.append(f"outputs {sorted(result.outputs)}, not {sorted(case['expect'])}")
    for name, want in case["expect"].items():
        got = result.outputs.get(name, np.empty(0))
        if list(got.shape) != want["shape"]:
            found.append(f"{name} has shape {got.shape}, not {want['shape']}")
        far = _far(got, want["data"], want.get("rtol", case["rtol"]), want.get("atol", case["atol"]))
        if far:
            found.append(f"{name} is {far}")
    for name, want in case.get("totals", {}).items():
        exact = name in ("rows", "counted", "ignored")
        got = [float(result.totals.get(name, "nan"))]
        far = _far(got, [want], 0 if exact else case["rtol"], 0 if exact else case["atol"])
        if far:
            found.append(f"totals.{name} is {far}")
    return [f"{case['name']}: {sentence}" for sentence in found]


def check_fixtures(wire, at_least=1000):
    """Sends every case that the wire has types for."""
    found, sent = [], 0
    for case, problem in fixtures():
        if not wire.carries(problem):
            continue
        sent += 1
        try:
            found += complaints(case, wire.evaluate(problem))
        except Exception as error:
            found.append(f"{case['name']}: {type(error).__name__}: {error}")
        if len(found) > 20:
            break
    if found or sent < at_least:
        raise AssertionError("\n".join([f"of {sent} cases over {wire.name}:", *found]))
