"""What the jobs beside this file share: how a shard is scored, and how shards become one number.

A shard is a file of Parquet (columns ``logits``, lists of one length, and ``targets``) or of safetensors (tensors of
those names). Scoring it gives a *state*: all that its rows add up to, without any rounding. States are kept by shard
and each is merged once, so that whatever an engine does - tasks in any order, again after a crash, twice to be sooner
done - the result has the bits of one evaluation of the whole.
"""

from __future__ import annotations

import os
from typing import Iterable

import lossd
import numpy as np


def read(path: str) -> dict[str, np.ndarray]:
    """The tensors of a shard: logits (N, C) and targets (N)."""
    if path.endswith(".safetensors"):
        from safetensors.numpy import load_file

        tensors = load_file(path)
        return {"logits": tensors["logits"], "targets": tensors["targets"]}
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, columns=["logits", "targets"])
    targets = table["targets"].combine_chunks().to_numpy()
    logits = table["logits"].combine_chunks().flatten().to_numpy()
    return {"logits": logits.reshape(len(targets), -1), "targets": targets}


def score(path: str, url: str) -> tuple[str, str]:
    """A shard's name and its state, by the server at ``url``; busy servers are asked again."""
    with lossd.Client(url) as client:
        result = client.evaluate("cross_entropy", read(path))
    return os.path.basename(path), result.totals.state


def merge(pairs: Iterable[tuple[str, str]]) -> lossd.Result:
    """What all shards come to; of a shard that was scored twice both states must be the same."""
    states: dict[str, str] = {}
    for shard, state in pairs:
        if states.setdefault(shard, state) != state:
            raise ValueError(f"{shard} was scored twice, differently: it changed in between")
    return lossd.merge(states.values())


def show(result: lossd.Result) -> str:
    """A line with the loss, to its last bit, and how many rows are behind it."""
    totals = result.totals
    return f"loss {float(result['loss'])!r} of {totals.counted} rows, {totals.ignored} ignored"
