#!/usr/bin/env python3
"""Makes small slips in src/ and server/, one at a time, and says which of them no test notices.

    MUTANTS=150 SEED=7 FILES='server/codec/*' JOBS=2 tests/mutation/mutate.py

MUTATION_FOLDER=DIR keeps the copy that is mutated, for a quicker start the next time. The exit status is 0 when at
least 95 % are killed.
"""

from __future__ import annotations

import os
import queue
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engine import Engine, Result, Verdict
from operators import Mutant
from project import HERE, all_mutants, clone_engine, default_root, make_engine, read_rules, rule_for

WANTED_SHARE = 0.95
COUNTED = (Verdict.KILLED, Verdict.SURVIVED)


class Campaign:
    """Mutants in a drawn order, until enough of them count."""

    def __init__(self, mutants: list[Mutant], wanted: int, seconds: float) -> None:
        self._next: Iterator[Mutant] = iter(mutants)
        self._wanted, self._seconds = wanted, seconds
        self._lock = threading.Lock()
        self._under_way = 0
        self.results: list[Result] = []

    def _counted(self) -> int:
        return sum(result.verdict in COUNTED for result in self.results)

    def _take(self) -> Mutant | None:
        """None: there are enough, or there may be when the other workers are done."""
        with self._lock:
            mutant = next(self._next, None) if self._counted() + self._under_way < self._wanted else None
            self._under_way += mutant is not None
            return mutant

    def _give(self, result: Result) -> None:
        with self._lock:
            self._under_way -= 1
            self.results.append(result)
            if result.verdict in COUNTED:
                shown = f"{result.verdict.value:<9} {result.seconds:6.1f} s  {result.mutant.path}:{result.mutant.line}"
                print(f"{self._counted():>4}  {shown}  {result.why}", flush=True)
            if result.verdict is Verdict.SURVIVED:
                print(result.mutant.show(), flush=True)

    def work(self, engine: Engine) -> None:
        while mutant := self._take():
            self._give(engine.try_mutant(mutant, self._seconds))


def draw_mutants(root: Path, seed: str, files: str) -> list[Mutant]:
    """In the order in which they are tried; without those that the lists leave out."""
    rules = [rule for name in ("excluded.txt", "equivalent.txt") for rule in read_rules(HERE / name)]
    mutants = all_mutants(root, files)
    random.Random(seed).shuffle(mutants)
    return [mutant for mutant in mutants if not rule_for(rules, mutant)]


def run_all(campaign: Campaign, engines: list[Engine]) -> None:
    failures: queue.Queue[BaseException] = queue.Queue()

    def work(engine: Engine) -> None:
        try:
            campaign.work(engine)
        except BaseException as error:
            failures.put(error)

    threads = [threading.Thread(target=work, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not failures.empty():
        raise failures.get()


def report(results: list[Result], seconds: float) -> bool:
    """Prints the survivors and the score; whether it is high enough."""
    verdicts = Counter(result.verdict for result in results)
    counted = verdicts[Verdict.KILLED] + verdicts[Verdict.SURVIVED]
    survivors = sorted((r.mutant for r in results if r.verdict is Verdict.SURVIVED), key=lambda m: (m.path, m.line))
    print(f"\n{len(survivors)} survivors")
    for mutant in survivors:
        print(mutant.show())
    share = verdicts[Verdict.KILLED] / counted if counted else 0.0
    print(f"drawn again: {verdicts[Verdict.EQUIVALENT]} the same to the compiler, "
          f"{verdicts[Verdict.BROKEN]} that do not compile; {seconds / max(len(results), 1):.1f} s each")
    print(f"score: {verdicts[Verdict.KILLED]} of {counted} killed, {100 * share:.1f} %; "
          f"wanted {100 * WANTED_SHARE:.0f} %")
    return share >= WANTED_SHARE


def run_in(folder: Path) -> bool:
    setting = os.environ.get
    seed, jobs = setting("SEED") or str(int(time.time())), int(setting("JOBS") or 1)
    wanted, seconds = int(setting("MUTANTS") or 150), float(setting("MUTANT_SECONDS") or 300)
    root = default_root()
    mutants = draw_mutants(root, seed, setting("FILES") or "")
    print(f"{wanted} of {len(mutants)} mutants, SEED={seed}; building in {folder}", flush=True)
    first = make_engine(root, folder / "0", os.cpu_count() or 1)
    print(f"{len(first.tests)} tests, {sum(first.durations.values()):.0f} s unmutated", flush=True)
    engines = [first, *(clone_engine(first, folder / str(i)) for i in range(1, jobs))]
    campaign, begun = Campaign(mutants, wanted, seconds), time.monotonic()
    run_all(campaign, engines)
    return report(campaign.results, time.monotonic() - begun)


def main() -> int:
    kept = os.environ.get("MUTATION_FOLDER")
    if kept:
        return 0 if run_in(Path(kept)) else 1
    with tempfile.TemporaryDirectory(prefix="lossd-mutation-") as folder:
        return 0 if run_in(Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
