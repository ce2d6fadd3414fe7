"""Scores a sharded data set on Spark: spark_job.py URL SHARD...

    LOSSD_KEY=... spark-submit --py-files scoring.py spark_job.py http://lossd:8000 part-*.parquet

One task a shard; Spark runs a failed one again, and with spark.speculation a slow one twice.
"""

from __future__ import annotations

import sys
from typing import Callable, Sequence

import lossd
import scoring
from pyspark.sql import SparkSession


def run(
    spark: SparkSession, url: str, shards: Sequence[str], score: Callable[[str, str], tuple[str, str]] = scoring.score
) -> lossd.Result:
    """Totals and loss of all shards."""
    tasks = spark.sparkContext.parallelize(shards, len(shards))
    return scoring.merge(tasks.map(lambda path: score(path, url)).collect())


if __name__ == "__main__":
    session = SparkSession.builder.appName("lossd").getOrCreate()
    print(scoring.show(run(session, sys.argv[1], sys.argv[2:])))
    session.stop()
