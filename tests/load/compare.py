#!/usr/bin/env python3
"""lossd-load beside other people's load generators, against the same server, with the same body.

    tests/load/compare.py        make load-compare

The closed model beside wrk, the open one beside vegeta and oha; each once on a server that is left alone, and once on
one that stands still for a second in the middle (SIGSTOP). In the open model that second must be seen: a hundredth of
a run of LOAD_SECONDS (8) is less than what it delays, so p99 is near it. In the closed model it is a few requests of
many, and nearly nobody sees it: that is what the open model is for. Tools that are not there are left out, with a
line that says so; wrk.sh, vegeta.sh and oha.sh run each alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from signal import SIGCONT, SIGSTOP

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, "..", "attack"))

from daemon import Server  # noqa: E402

BUILD = os.environ.get("BUILD") or "build"
LOAD = os.path.join(BUILD, "tests", "load", "lossd-load")
SECONDS = int(os.environ.get("LOAD_SECONDS") or "8")
CONNECTIONS, RATE = 16, 1000
os.environ["PATH"] += os.pathsep + os.path.abspath(os.path.join(BUILD, "peers", "bin"))


def lossd_load(port: int, body: str, *more: str) -> tuple[float, float]:
    command = [LOAD, "--url", f"http://127.0.0.1:{port}", "--connections", str(CONNECTIONS), "--duration",
               f"{SECONDS}s", "--warmup", "0s", "--json", *more, body]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return found["answered_per_second"], found["latency_seconds"]["p99"] * 1e3


def script(name: str, port: int, body: str, rate: int = 0) -> str:
    command = [os.path.join(FOLDER, name), f"http://127.0.0.1:{port}", body, str(CONNECTIONS), str(SECONDS), str(rate)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def in_ms(text: str) -> float:
    value, unit = re.fullmatch(r"([0-9.]+)(us|µs|ms|s)", text).groups()
    return float(value) * {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def wrk(port: int, body: str) -> tuple[float, float]:
    text = script("wrk.sh", port, body)
    return float(re.search(r"Requests/sec: *([0-9.]+)", text)[1]), in_ms(re.search(r"99% *([0-9.a-zµ]+)", text)[1])


def vegeta(port: int, body: str) -> tuple[float, float]:
    found = json.loads(script("vegeta.sh", port, body, RATE))
    return found["throughput"], found["latencies"]["99th"] * 1e-6


def oha(port: int, body: str) -> tuple[float, float]:
    found = json.loads(script("oha.sh", port, body, RATE))
    return found["summary"]["requestsPerSec"], found["latencyPercentiles"]["p99"] * 1e3


WAYS = (
    ("closed", "lossd-load", None, lambda port, body: lossd_load(port, body)),
    ("closed", "wrk", "wrk", wrk),
    (f"open, {RATE}/s", "lossd-load", None, lambda port, body: lossd_load(port, body, "--rate", str(RATE))),
    (f"open, {RATE}/s", "vegeta", "vegeta", vegeta),
    (f"open, {RATE}/s", "oha", "oha", oha),
)


def measured(way, body: str, stalled: bool) -> tuple[float, float]:
    with Server(("--log-level", "error")) as server:
        timers = [threading.Timer(SECONDS / 2 + after, server.process.send_signal, (number,))
                  for after, number in ((0, SIGSTOP), (1, SIGCONT))] if stalled else []
        for timer in timers:
            timer.start()
        found = way(server.port, body)
        for timer in timers:
            timer.join()
        return found


def main() -> None:
    print("| model | tool | answered/s | p99 ms | with a second's stall: answered/s | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([LOAD, "--write", folder, "--bodies", "1"], stdout=subprocess.PIPE, text=True, check=True)
        body = made.stdout.strip()
        for model, name, program, way in WAYS:
            if program and not shutil.which(program):
                print(f"| {model} | {name} | not installed | | | |")
                continue
            (rate, p99), (held, late) = measured(way, body, False), measured(way, body, True)
            print(f"| {model} | {name} | {rate:,.0f} | {p99:.3g} | {held:,.0f} | {late:.3g} |", flush=True)


if __name__ == "__main__":
    main()
