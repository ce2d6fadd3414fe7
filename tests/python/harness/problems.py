"""Problems that tests share: of every loss that the table has, in small."""

import numpy as np

import lossd

#: Values that required tensors beside the first one may have, by the kinds of their elements.
ROWS, CLASSES = 6, 5


def draw(random, kinds, shape):
    if "index" in kinds or "group" in kinds or "count" in kinds:
        return random.integers(0, CLASSES - 1, shape)
    return random.random(shape)


def of(row, seed=1, dtype="f4"):
    """The tensors that a loss must have: two-dimensional, as its table says."""
    random = np.random.default_rng(seed)
    first = row["tensors"][0]["name"]
    values = random.random((ROWS, CLASSES)) * 0.8 + 0.1
    tensors = {first: (np.log(values) if first == "log_probs" else values).astype(dtype)}
    for tensor in row["tensors"][1:]:
        if not tensor["required"]:
            continue
        whole = row["element_wise"] or "index" not in tensor["kinds"]
        shape = (ROWS, CLASSES) if whole and tensor["shape"].startswith(f"that of {first}") else (ROWS,)
        shape = (ROWS, CLASSES) if "broadcasts" in tensor["shape"] else shape
        drawn = draw(random, tensor["kinds"], shape)
        tensors[tensor["name"]] = drawn if drawn.dtype.kind == "i" else drawn.astype(dtype)
    return tensors


def everything():
    """(loss, tensors) of all losses whose required tensors can be drawn by the table alone."""
    for name, row in lossd.losses().items():
        yield name, of(row)


def same_bits(one, other):
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
