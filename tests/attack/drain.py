#!/usr/bin/env python3
"""Drains under load: every request sent before SIGTERM gets its reply, wherever the signal finds it.

    DRAINS=100 DRAIN_SEED=7 IN_FLIGHT=1000 tests/attack/drain.py

Each is two: one of a few requests of all kinds and sizes, sent in the moment of the signal, and one of a thousand that
are known to be in flight.

Prints a row for each kind of request, and at the end "N passed, N failed, 0 skipped", by drains.
"""

from __future__ import annotations

import os
import random
import sys
import time

from daemon import Server
from draining import Outcome, drain
from flight import allow_files, drain_in_flight
from judge import Judge
from problems import Pool, make_pool
from record import Record
from world import World

REQUESTS = 40  # of a drain
LARGEST = 31 << 20
SHOWN = 5


def one_drain(pool: Pool, rng: random.Random, in_flight: int) -> Outcome:
    record, total = Record(), Outcome()
    with Server() as server:
        world = World(server.port, pool, record, Judge(record), LARGEST)
        total.add(drain(server, world, rng, REQUESTS, set()))
    with Server() as server:
        world = World(server.port, pool, record, Judge(record), LARGEST)
        total.add(drain_in_flight(server, world, rng, in_flight))
    return total


def print_table(total: Outcome) -> None:
    print(f"{'connection, request':<30}{'sent before SIGTERM':>20}{'answered':>10}{'lost':>7}")
    for kind in sorted(total.sent):
        sent, lost = total.sent[kind], total.lost[kind]
        print(f"{kind:<30}{sent:>20}{sent - lost:>10}{lost:>7}")
    sent, lost = total.sent.total(), total.lost.total()
    print(f"{'all':<30}{sent:>20}{sent - lost:>10}{lost:>7}")


def main() -> int:
    drains = int(os.environ.get("DRAINS") or 20)
    seed = int(os.environ.get("DRAIN_SEED") or time.time())
    in_flight = int(os.environ.get("IN_FLIGHT") or 1000)
    allow_files(in_flight)
    print(f"{drains} drains of {REQUESTS} requests, and with {in_flight} in flight, DRAIN_SEED={seed}", flush=True)
    pool, total, failed = make_pool(seed), Outcome(), 0
    for number in range(drains):
        outcome = one_drain(pool, random.Random(f"{seed}/{number}"), in_flight)
        total.add(outcome)
        failed += bool(outcome.troubles)
        for trouble in outcome.troubles[:SHOWN]:
            print(f"drain {number}: {trouble}", flush=True)
    print_table(total)
    print(f"{drains - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
