#!/usr/bin/env python3
"""The Ray Data job of api/examples/pipelines on one machine, through three replicas behind HAProxy: whatever is killed
on the way, the totals have the bits of one evaluation of the whole."""

import contextlib
import logging

import paths
from harness import tap

tap.need("lossd", "ray", "pyarrow", "safetensors")
paths.need_program("haproxy")

import ray  # noqa: E402
import ray_job  # noqa: E402
from judge import expect_whole, expect_whole_after_faults, prepare  # noqa: E402


@contextlib.contextmanager
def with_ray():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    # A task that raises is the program's fault to Ray Data, unless it is told otherwise.
    ray.data.DataContext.get_current().retried_map_errors = ["this task fails once"]
    ray.data.DataContext.get_current().max_map_retries = 3
    try:
        with prepare() as context:
            yield context
    finally:
        ray.shutdown()


def test_a_job_has_the_bits_of_the_whole(context):
    expect_whole(context, ray_job.run(context.url, context.shards))


def test_in_any_order_and_with_shards_twice(context):
    expect_whole(context, ray_job.run(context.url, [*reversed(context.shards), *context.shards[3:7]]))


def test_with_a_worker_a_task_and_a_server_killed_half_way(context):
    expect_whole_after_faults(context, lambda score: ray_job.run(context.url, context.shards, score))


if __name__ == "__main__":
    tap.main(globals(), with_ray)
