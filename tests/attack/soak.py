#!/usr/bin/env python3
"""The soak: hundreds of thousands of requests, and memory, descriptors and threads that stay what they were.

    SOAK_REQUESTS=200000 SOAK_SEED=7 tests/attack/soak.py

Workers keep a connection each for a while and send requests by sixteens: evaluations in all formats, what is refused,
pages; now and then a larger one, half a request, or a reset. Larger ones are many at first, so that what stays warm
of them is warm early. From a tenth of the requests on it is looked what the server takes. It is flat when at the end
that is no more than it was then, but for what is in flight.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import re
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.sharedctypes import Synchronized
from signal import SIGTERM

from daemon import Server, is_sanitized
from problems import make_pool
from wire import Connection, Ended, Reply, Request, Violation

WORKERS = 4
BATCH = 16
LARGER = 6  # bodies, the least of those of 60 KB to 2 MB
SAMPLES = 90  # between a tenth of the requests and all of them
PATIENCE = 120.0
# Between the first samples and the last: pages that are warm, heaps that have not met their worst moment yet.
SLACK_BYTES = 4 << 20
FLAGS = ("--threads", "2", "--io-threads", "2", "--memory-budget-bytes", "64MiB", "--log-level", "error")
TIMES = re.compile(rb'((?:_seconds|_ns)\\?":)[-+.e0-9]+')
KINDS = ("good", "refused", "page", "reconnected", "left")


@dataclass(frozen=True)
class Asked:
    """A request, and the status that it is answered with."""

    kind: str
    request: Request
    status: int = 200


@dataclass(frozen=True)
class Mix:
    often: list[Asked]
    seldom: list[Asked]  # those of good clients that are larger


def make_mix(seed: str) -> Mix:
    pool = make_pool(int(seed))
    good = [Asked("good", prepared.request) for prepared in pool.small]
    medium = sorted((prepared.request for prepared in pool.medium), key=lambda request: len(request.body))
    larger = [Asked("good", request) for request in medium[:LARGER]]
    json = replace(pool.small[0].request, headers=(("Content-Type", "application/json"),))
    wrong = [
        Asked("refused", replace(json, target="/v1/losses/cross_entropy", body=b'{"logits":[[1,2]],"targets":[2]}'), 422),
        Asked("refused", replace(json, target="/v1/losses/cross_entropy", body=b'{"logits":[[1,2]'), 400),
        Asked("refused", replace(json, target="/v1/losses/crossentropy"), 404),
        Asked("refused", replace(json, target="/v2/models/cross_entropy/infer", body=b"{}"), 400),
        Asked("refused", Request("/nowhere", method="GET"), 404),
        Asked("refused", replace(json, method="PUT"), 405),
    ]
    pages = [Asked("page", Request(target, method="GET"))
             for target in ("/metrics", "/v1/losses", "/v2", "/v2/health/ready", "/v2/models/stats", "/openapi.json")]
    return Mix(good + wrong * 2 + pages, larger)


# ---------------------------------------------------------------- a worker


class Worker:
    def __init__(self, port: int, mix: Mix, seed: str, counts: dict[str, Synchronized[int]], early: int) -> None:
        self.port, self.mix, self.counts, self.early = port, mix, counts, early
        self.rng = random.Random(seed)
        self.right: dict[int, bytes] = {}  # by id: what each good request was answered with at first
        self.connection = Connection(port, PATIENCE)

    def count(self, kind: str, n: int = 1) -> None:
        with self.counts[kind].get_lock():
            self.counts[kind].value += n

    def reconnect(self) -> None:
        if self.rng.random() < 0.5:
            self.connection.reset()
        self.connection.socket.close()
        self.connection = Connection(self.port, PATIENCE)
        self.count("reconnected")

    def leave(self) -> None:
        """Somewhere in a request, or with its reply due."""
        data = self.rng.choice(self.mix.often).request.whole()
        with Connection(self.port, PATIENCE) as connection:
            connection.send(data[: self.rng.randint(1, len(data))])
            if self.rng.random() < 0.5:
                connection.reset()
        self.count("left")

    def check(self, asked: Asked, reply: Reply) -> None:
        if reply.status != asked.status:
            raise Violation(f"{reply.status} instead of {asked.status}: {reply.body[:200]!r}")
        if asked.kind == "good" and self.rng.random() < 0.1:
            body = TIMES.sub(rb"\g<1>0", reply.body)
            body = body[8:].replace(b" ", b"") if body[8:9] == b"{" else body
            if self.right.setdefault(id(asked), body) != body:
                raise Violation(f"{body[:200]!r} instead of {self.right[id(asked)][:200]!r}")

    def exchange(self) -> None:
        batch = [self.rng.choice(self.mix.often) for _ in range(BATCH)]
        if self.rng.random() < (0.3 if done(self.counts) < self.early else 0.02):
            batch[0] = self.rng.choice(self.mix.seldom)
        self.connection.renew(PATIENCE)
        self.connection.send(b"".join(asked.request.whole() for asked in batch))
        for asked in batch:
            self.check(asked, self.connection.reply(asked.request.method))
            if self.connection.is_ending:
                raise Violation("the connection is to end")
            self.count(asked.kind)

    def turn(self) -> None:
        drawn = self.rng.random()
        if drawn < 0.05:
            self.reconnect()
        elif drawn < 0.10:
            self.leave()
        else:
            self.exchange()


def done(counts: dict[str, Synchronized[int]]) -> int:
    return sum(counts[kind].value for kind in ("good", "refused", "page", "left"))


def work(port: int, mix: Mix, seed: str, counts: dict[str, Synchronized[int]], total: int,
         trouble: multiprocessing.Queue[str]) -> None:
    try:
        worker = Worker(port, mix, seed, counts, total // 10)
        while done(counts) < total:
            worker.turn()
    except (Violation, Ended, OSError) as error:
        trouble.put(f"{type(error).__name__}: {error}")


# ---------------------------------------------------------------- what is looked at


@dataclass(frozen=True)
class Sample:
    requests: int
    resident: int
    descriptors: int
    threads: int


def look(server: Server, requests: int) -> Sample:
    return Sample(requests, server.resident_bytes(), server.descriptors(), server.threads())


def _of(samples: list[Sample], name: str) -> int:
    return max(getattr(sample, name) for sample in samples)


def judge(samples: list[Sample]) -> list[str]:
    """What is not flat, of the last fifth of the samples against the first."""
    fifth = max(1, len(samples) // 5)
    first, last = samples[:fifth], samples[-fifth:]
    # A worker that reconnects or leaves has two connections for a moment, and the server a third that it is closing.
    slack = {"resident": SLACK_BYTES * (8 if is_sanitized() else 1), "descriptors": 2 * WORKERS, "threads": 0}
    wrong = []
    for name, more in slack.items():
        before, now = _of(first, name), _of(last, name)
        print(f"{name:<12} at most {before:>12,} in the first fifth, {now:>12,} in the last; {more:,} more are allowed")
        if now > before + more:
            wrong.append(name)
    return wrong


def soak(server: Server, total: int, seed: str) -> list[str]:
    counts: dict[str, Synchronized[int]] = {kind: multiprocessing.Value(ctypes.c_long) for kind in KINDS}
    trouble: multiprocessing.Queue[str] = multiprocessing.Queue()
    mix, samples = make_mix(seed), []
    start = look(server, 0)
    workers = [multiprocessing.Process(target=work, args=(server.port, mix, f"{seed}/{n}", counts, total, trouble))
               for n in range(WORKERS)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers) and server.is_alive:
        due = total // 10 + len(samples) * (total - total // 10) // SAMPLES
        if (now := done(counts)) >= due:
            samples.append(look(server, now))
        time.sleep(0.005)
    for worker in workers:
        worker.join()
    print(", ".join(f"{kind}: {counts[kind].value:,}" for kind in KINDS))
    wrong = [trouble.get() for _ in range(trouble.qsize())]
    if not server.is_alive or len(samples) < SAMPLES // 2:
        return [*wrong, f"{len(samples)} samples; {server.log()[-1000:]}"]
    return [*wrong, *judge(samples), *_leftovers(server, start)]


def _leftovers(server: Server, start: Sample) -> list[str]:
    until = time.monotonic() + PATIENCE
    while server.descriptors() > start.descriptors or server.threads() > start.threads:
        if time.monotonic() > until:
            return [f"afterwards {look(server, 0)}, before {start}"]
        time.sleep(0.02)
    return []


def main() -> int:
    total = int(os.environ.get("SOAK_REQUESTS") or 1_000_000)
    seed = os.environ.get("SOAK_SEED") or str(int(time.time()))
    print(f"{total:,} requests, SOAK_SEED={seed}", flush=True)
    begun = time.monotonic()
    with Server(FLAGS) as server:
        wrong = soak(server, total, seed)
        server.signal(SIGTERM)
        if (code := server.wait(60)) != 0:
            wrong.append(f"exit status {code}: {server.log()[-1000:]}")
        wrong += server.findings()[:3]
    for what in wrong:
        print(f"      not flat, or wrong: {what}")
    print(f"F9: {total:,} requests in {time.monotonic() - begun:.0f} s: {'flat' if not wrong else 'NOT FLAT'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
