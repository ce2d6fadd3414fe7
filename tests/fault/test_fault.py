#!/usr/bin/env python3
"""A part of torture.py that takes seconds: one request, all that is refused, the clock, and the start."""

from __future__ import annotations

import contextlib
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "attack"))

SCENARIOS = ("JSON", "errors", "the clock jumps", "the end", "the start")


def _reason_to_skip() -> str:
    from daemon import LOSSD
    from faults import INTERPOSER

    with open(LOSSD, "rb") as file:
        if b"__tsan_init" in file.read():
            return "ThreadSanitizer has an allocator that can not be replaced"
    return "" if os.path.exists(INTERPOSER) else "there is no interposer for this system"


def main() -> int:
    print(f"1..{len(SCENARIOS)}")
    if reason := _reason_to_skip():
        for number, name in enumerate(SCENARIOS, 1):
            print(f"ok {number} - {name} # SKIP {reason}")
        return 0
    from starts import SERVER_START
    from torture import is_sanitized, run_all

    with contextlib.redirect_stdout(sys.stderr):
        rows = run_all(frozenset(SCENARIOS))
    for number, name in enumerate(SCENARIOS, 1):
        found = [row for row in rows if row.name == name]
        left_out = not found and is_sanitized() and name == SERVER_START
        holds = left_out or (bool(found) and not any(row.wrong for row in found))
        print(f"{'' if holds else 'not '}ok {number} - {name}" + (" # SKIP with a sanitizer" if left_out else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
