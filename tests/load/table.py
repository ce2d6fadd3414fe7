#!/usr/bin/env python3
"""The README's table of load: requests a second and latencies of a real server, over connections and kinds of bodies.

    tests/load/table.py [WORD...]     rows of that name ("131", "jsonl"); make load

Each cell is a closed run of LOAD_SECONDS (8) by lossd-load, which checks every loss, on the machine on which the
server is: both have its cores, as do the kernel's sockets. A run with a wrong loss or a refused request ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "attack"))

from daemon import Server  # noqa: E402

LOAD = os.path.join(os.environ.get("BUILD") or "build", "tests", "load", "lossd-load")
SECONDS = os.environ.get("LOAD_SECONDS") or "8"
CONNECTIONS = (1, 16, 64, 256)
ROWS = (
    ("JSON, 8 x 10", ("--format", "json", "--shape", "8x10")),
    ("safetensors, 8 x 1000, 32 KB", ("--format", "safetensors", "--shape", "8x1000")),
    ("safetensors, 256 x 128256, 131 MB", ("--format", "safetensors", "--shape", "256x128256", "--bodies", "1",
                                           "--warmup", "0s")),  # one for each connection may take longer than all else
    ("jsonl, 1000 problems of 8 x 10", ("--format", "jsonl", "--lines", "1000", "--bodies", "4")),
)


def run(port: int, connections: int, flags: tuple[str, ...]) -> dict:
    command = [LOAD, "--url", f"http://127.0.0.1:{port}", "--connections", str(connections), "--duration",
               f"{SECONDS}s", "--warmup", "1s", "--timeout", "600s", "--json", *flags]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return json.loads(done.stdout)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def row(name: str, connections: int, found: dict) -> str:
    latency, compute = found["latency_seconds"], found["phase_seconds"]["compute"]
    times = " | ".join(milliseconds(latency[part]) for part in ("p50", "p99", "p99.9", "max"))
    rate = found["answered_per_second"]
    sent = found["bytes_sent"] / found["seconds"] / 1e6
    shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
    return f"| {name} | {connections} | {shown} | {sent:,.0f} | {times} | {milliseconds(compute['p50'])} |"


def main(words: list[str]) -> None:
    print("| body | connections | requests/s | MB/s | p50 ms | p99 | p99.9 | max | of it compute, p50 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, flags in ROWS:
        if words and not any(word in name for word in words):
            continue
        for connections in CONNECTIONS:
            with Server(("--log-level", "error")) as server:
                print(row(name, connections, run(server.port, connections, flags)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
