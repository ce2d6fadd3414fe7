"""Problems that tests share: of every loss that the table has, in small."""

import numpy as np

import lossd

#: Values that required tensors beside the first one may have, by the kinds of their elements.
ROWS, CLASSES = 6, 5


def draw(random, kinds, shape):
    if "index" in kinds or "group" in kinds or "count" in kinds:
        return random.integers(0, CLASSES - 1, shape)
    return random.random(shape)


def tensor(random, row, info, dtype):
    """One of a loss's tensors, two-dimensional or a number a row, as its table says."""
    first = row["tensors"][0]["name"]
    like_first = info["shape"].startswith(f"that of {first}") or "broadcasts" in info["shape"]
    whole = info["name"] == first or like_first
    shape = (ROWS, CLASSES) if whole else (ROWS,)
    drawn = draw(random, info["kinds"], shape)
    if info["name"].endswith("log_probs"):
        drawn = np.log(drawn * 0.8 + 0.1)
    return drawn if drawn.dtype.kind == "i" else drawn.astype(dtype)


def of(row, seed=1, dtype="f4"):
    """The tensors that a loss must have: those that its table requires, and those that it then misses."""
    random = np.random.default_rng(seed)
    infos = {info["name"]: info for info in row["tensors"]}
    tensors = {}
    for name, info in infos.items():
        if info["required"]:
            tensors[name] = tensor(random, row, info, dtype)
    while True:
        try:
            lossd.evaluate(row["name"], tensors)
            return tensors
        except lossd.LossError as error:
            if error.code != "missing_field" or error.pointer not in infos or error.pointer in tensors:
                raise
            tensors[error.pointer] = tensor(random, row, infos[error.pointer], dtype)


def everything():
    """(loss, tensors) of all losses."""
    for name, row in lossd.losses().items():
        yield name, of(row)


def outputs_of(name, tensors):
    """The outputs that a problem can have: some need another tensor, or another choice of an argument."""
    for output in lossd.losses()[name]["outputs"]:
        try:
            lossd.evaluate(name, tensors, output["name"])
            yield output["name"]
        except lossd.LossError:
            pass


def same_bits(one, other):
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
