"""Scores a sharded data set with Ray Data: ray_job.py URL SHARD...

One row a shard; Ray runs tasks again whose worker died.
"""

from __future__ import annotations

import sys
from typing import Callable, Sequence

import lossd
import ray
import scoring


def run(
    url: str, shards: Sequence[str], score: Callable[[str, str], tuple[str, str]] = scoring.score
) -> lossd.Result:
    """Totals and loss of all shards."""

    def one(row: dict) -> dict:
        shard, state = score(row["path"], url)
        return {"shard": shard, "state": state}

    # A block a shard, so that each is a task of its own.
    rows = ray.data.from_items([{"path": path} for path in shards], override_num_blocks=len(shards))
    return scoring.merge((row["shard"], row["state"]) for row in rows.map(one).take_all())


if __name__ == "__main__":
    ray.init()
    print(scoring.show(run(sys.argv[1], sys.argv[2:])))
