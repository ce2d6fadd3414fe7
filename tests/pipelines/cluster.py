"""What the jobs run against: three real servers behind a real HAProxy, and a data set in shards."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from typing import Iterator

import numpy as np

from harness.daemon import Daemon, daemon

REPLICAS = 3
SHARDS, ROWS, CLASSES = 24, 300, 50
CONFIG = "docker/haproxy.cfg"
PATIENCE = 60
TRIES = 5  # another process may take a port between its choice and its use


class Cluster:
    def __init__(self, url: str, replicas: list[Daemon]) -> None:
        self.url, self.replicas = url, replicas


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _config(port: int, replicas: list[Daemon]) -> str:
    """HAProxy's configuration as it is shipped, with these addresses and as many servers."""
    with open(CONFIG, encoding="utf-8") as file:
        text = file.read()
    first = "\tserver lossd1 127.0.0.1:8080\n"
    assert first in text and "bind :8000" in text, f"{CONFIG} has changed: mend this test"
    servers = "".join(f"\tserver lossd{i} {replica.address}\n" for i, replica in enumerate(replicas, 1))
    return text.replace(first, servers).replace("bind :8000", f"bind 127.0.0.1:{port}")


def _answers(port: int, process: subprocess.Popen) -> bool:
    """Waits until the proxy listens, or has ended."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def _proxy(replicas: list[Daemon]) -> Iterator[str]:
    for _ in range(TRIES):
        port = _free_port()
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config, tempfile.TemporaryFile("w+") as log:
            config.write(_config(port, replicas))
            config.flush()
            process = subprocess.Popen(["haproxy", "-db", "-f", config.name], stdout=log, stderr=log)
            try:
                if _answers(port, process):
                    yield f"http://127.0.0.1:{port}"
                    return
            finally:
                process.kill()
                process.wait()
    raise RuntimeError("haproxy did not start")


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        replicas = [stack.enter_context(_replica()) for _ in range(REPLICAS)]
        yield Cluster(stack.enter_context(_proxy(replicas)), replicas)


@contextlib.contextmanager
def _replica() -> Iterator[Daemon]:
    """One that a test may kill: then its end is not judged."""
    with contextlib.ExitStack() as stack:
        replica = stack.enter_context(daemon())
        try:
            yield replica
        finally:
            if replica.process.poll() is not None:
                stack.pop_all()
                replica.process.stdout.close()


def write_shards(folder: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """The shards, by turns Parquet and safetensors, and all of their rows. A tenth of the rows is padding."""
    import pyarrow
    import pyarrow.parquet
    from safetensors.numpy import save_file

    random, paths, parts = np.random.default_rng(7), [], []
    for shard in range(SHARDS):
        logits = (random.standard_normal((ROWS - shard, CLASSES)) * 4).astype("f4")
        targets = random.integers(0, CLASSES, ROWS - shard)
        targets[random.random(len(targets)) < 0.1] = -100
        parts.append((logits, targets))
        path = os.path.join(folder, f"part-{shard:03}.{'safetensors' if shard % 2 else 'parquet'}")
        if shard % 2:
            save_file({"logits": logits, "targets": targets}, path)
        else:
            pyarrow.parquet.write_table(pyarrow.table({"logits": list(logits), "targets": targets}), path)
        paths.append(path)
    logits, targets = (np.concatenate(all_of) for all_of in zip(*parts))
    return paths, {"logits": logits, "targets": targets}
