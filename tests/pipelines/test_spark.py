#!/usr/bin/env python3
"""The Spark job of api/examples/pipelines, in local mode, through three replicas behind HAProxy: whatever is killed on
the way, the totals have the bits of one evaluation of the whole."""

import contextlib

import paths
from harness import tap

tap.need("lossd", "pyspark", "pyarrow", "safetensors")
paths.need_program("haproxy")
paths.need_program("java")

import spark_job  # noqa: E402
from judge import expect_whole, expect_whole_after_faults, prepare  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


@contextlib.contextmanager
def with_spark():
    session = (
        SparkSession.builder.master("local[2,4]")  # two at a time, each up to four times
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    try:
        with prepare() as context:
            context.spark = session
            yield context
    finally:
        session.stop()


def test_a_job_has_the_bits_of_the_whole(context):
    expect_whole(context, spark_job.run(context.spark, context.url, context.shards))


def test_in_any_order_and_with_shards_twice(context):
    shards = [*reversed(context.shards), *context.shards[3:7]]
    expect_whole(context, spark_job.run(context.spark, context.url, shards))


def test_with_a_worker_a_task_and_a_server_killed_half_way(context):
    run = lambda score: spark_job.run(context.spark, context.url, context.shards, score)  # noqa: E731
    expect_whole_after_faults(context, run)


if __name__ == "__main__":
    tap.main(globals(), with_spark)
