"""What happened in a round, counted by all of its threads."""

from __future__ import annotations

import threading
from collections import Counter

SHOWN = 12  # violations of a round that are printed


class Record:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.violations: list[str] = []
        self.seen_slow = 0  # slow transfers that the server ended, and that have excused a client

    def count(self, what: str, n: int = 1) -> None:
        with self._lock:
            self.counts[what] += n

    def refuse(self, code: str) -> None:
        with self._lock:
            self.refusals[code] += 1

    def violate(self, where: str, what: str) -> None:
        with self._lock:
            self.violations.append(f"{where}: {what}")
            if len(self.violations) <= SHOWN:
                print(f"      VIOLATION {where}: {what}", flush=True)
