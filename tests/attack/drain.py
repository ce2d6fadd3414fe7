#!/usr/bin/env python3
"""Drains under load: every request sent before SIGTERM gets its reply, wherever the signal finds it.

    DRAINS=100 DRAIN_SEED=7 tests/attack/drain.py

Prints a row for each kind of request, and at the end "N passed, N failed, 0 skipped", by drains.
"""

from __future__ import annotations

import os
import random
import sys
import time

from daemon import Server
from draining import Outcome, drain
from judge import Judge
from problems import Pool, make_pool
from record import Record
from world import World

REQUESTS = 40  # of a drain
LARGEST = 31 << 20
SHOWN = 5


def one_drain(pool: Pool, rng: random.Random) -> Outcome:
    record = Record()
    with Server() as server:
        world = World(server.port, pool, record, Judge(record), LARGEST)
        return drain(server, world, rng, REQUESTS, set())


def print_table(total: Outcome) -> None:
    print(f"{'connection, request':<28}{'sent before SIGTERM':>20}{'answered':>10}{'lost':>7}")
    for kind in sorted(total.sent):
        sent, lost = total.sent[kind], total.lost[kind]
        print(f"{kind:<28}{sent:>20}{sent - lost:>10}{lost:>7}")
    sent, lost = total.sent.total(), total.lost.total()
    print(f"{'all':<28}{sent:>20}{sent - lost:>10}{lost:>7}")


def main() -> int:
    drains = int(os.environ.get("DRAINS") or 20)
    seed = int(os.environ.get("DRAIN_SEED") or time.time())
    print(f"{drains} drains of {REQUESTS} requests, DRAIN_SEED={seed}", flush=True)
    pool, total, failed = make_pool(seed), Outcome(), 0
    for number in range(drains):
        outcome = one_drain(pool, random.Random(f"{seed}/{number}"))
        total.add(outcome)
        failed += bool(outcome.troubles)
        for trouble in outcome.troubles[:SHOWN]:
            print(f"drain {number}: {trouble}", flush=True)
    print_table(total)
    print(f"{drains - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
