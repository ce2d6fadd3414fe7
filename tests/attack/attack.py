#!/usr/bin/env python3
"""The mixed attack: 64 connections at once do what strangers do, good and bad, to one server after another.

    ATTACK_SECONDS=3600 ATTACK_SEED=7 tests/attack/attack.py
    ATTACK_ROUNDS="few connections,64 MiB" ATTACK_ACTS=keep_alive,non_readers tests/attack/attack.py

The same seed makes the same schedule. A violation names its round, worker and turn, which the seed draws again.
"""

from __future__ import annotations

import os
import resource
import sys
import time

from problems import make_pool
from record import Record
from rounds import Round, run_round
from setups import SETUPS, Setup

COLUMNS = ("connections", "requests", "good", "cut")


def _names(variable: str) -> frozenset[str]:
    return frozenset(name.strip() for name in os.environ.get(variable, "").split(",") if name.strip())


def _allow_many_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _row(name: str, record: Record, checks: dict[str, bool]) -> str:
    counts = "".join(f"{record.counts[column]:>12}" for column in COLUMNS)
    refused = " ".join(f"{code}: {n}," for code, n in sorted(record.refusals.items())).rstrip(",")
    failed = ", ".join(check for check, holds in checks.items() if not holds) or "all hold"
    return f"{name:<16}{counts}{len(record.violations):>11}  checks: {failed}; refusals: {refused}"


def _print_table(rounds: list[Round]) -> None:
    print(f"{'round':<16}" + "".join(f"{column:>12}" for column in COLUMNS) + " violations")
    for round_ in rounds:
        print(_row(round_.setup.name, round_.record, round_.checks))
    results = [holds for round_ in rounds for holds in round_.checks.values()]
    print(f"{results.count(True)} passed, {results.count(False)} failed, 0 skipped")


def main() -> int:
    seconds = float(os.environ.get("ATTACK_SECONDS") or 300)
    seed = os.environ.get("ATTACK_SEED") or str(int(time.time()))
    wanted = _names("ATTACK_ROUNDS")
    setups: list[Setup] = [setup for setup in SETUPS if not wanted or setup.name in wanted]
    print(f"{len(setups)} rounds, {seconds:.0f} seconds in all, ATTACK_SEED={seed}", flush=True)
    _allow_many_descriptors()
    pool, rounds = make_pool(int(seed)), []
    for setup in setups:
        round_ = Round(setup, f"{seed}/{setup.name}", _names("ATTACK_ACTS"))
        print(f"round {setup.name}: {' '.join(setup.flags)}", flush=True)
        run_round(round_, pool, seconds / len(setups))
        rounds.append(round_)
    _print_table(rounds)
    return 0 if setups and all(all(round_.checks.values()) for round_ in rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
