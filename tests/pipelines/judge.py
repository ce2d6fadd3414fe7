"""How the result of a job is judged: by its bits."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import Any, Callable, Iterator

import lossd
from cluster import SHARDS, Cluster, cluster, write_shards
from faults import FAULTS, Faulty
from harness import tap


class Context:
    """A cluster, the shards' paths, and what one evaluation of all rows comes to."""

    def __init__(self, servers: Cluster, folder: str) -> None:
        self.url, self.replicas, self.folder = servers.url, servers.replicas, folder
        self.shards, tensors = write_shards(folder)
        self.whole = lossd.evaluate("cross_entropy", tensors)


@contextlib.contextmanager
def prepare() -> Iterator[Context]:
    with tempfile.TemporaryDirectory() as folder, cluster() as servers:
        yield Context(servers, folder)


def expect_whole(context: Context, result: lossd.Result) -> None:
    """Every field and every bit, the state's included, is that of one evaluation of the whole."""
    tap.expect(result.totals == context.whole.totals, result.totals, "is not", context.whole.totals)
    tap.expect(float(result["loss"]).hex() == float(context.whole["loss"]).hex(), result["loss"])


def expect_whole_after_faults(context: Context, run: Callable[[Any], lossd.Result]) -> None:
    """The same, with a worker killed, a task failed and a server killed half way; and these happened."""
    with tempfile.TemporaryDirectory() as folder:
        result = run(Faulty(folder, context.replicas[0].process.pid))
        tap.expect(set(os.listdir(folder)) == FAULTS, os.listdir(folder))
    tap.expect(context.replicas[0].process.wait() != 0, "the server lives")
    expect_whole(context, result)
    tap.expect(SHARDS == len(context.shards), context.shards)
