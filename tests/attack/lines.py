#!/usr/bin/env python3
"""A million problems in one body, a line each: all are answered, in memory that stays what it was.

    LINES=200000 tests/attack/lines.py

One client sends while another thread of it looks what the server takes; a line in a thousand is wrong. At the most the
server takes 64 MiB more than when the first thousand lines had been answered.
"""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator

from daemon import Server, is_sanitized

MOST_BYTES = 64 << 20
PIECE = 1000  # lines that are sent at once
GOOD = b'{"logits": [[0.5, -1.25, 3.0], [2.0, 0.125, -4.5]], "targets": [2, 0], "outputs": ["loss", "grad"]}\n'
WRONG = b'{"logits": [[0.5, -1.25, 3.0]], "targets": [3]}\n'
FLAGS = ("--memory-budget-bytes", "64MiB", "--max-reply-bytes", "16GiB", "--max-body-bytes", "16GiB")


class Peak(threading.Thread):
    """The most that the server has had in memory, until it is stopped."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.bytes, self.ended = server, 0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            self.bytes = max(self.bytes, self.server.resident_bytes())

    def stop(self) -> int:
        self.ended.set()
        self.join()
        return self.bytes


def pieces(n: int) -> Iterator[bytes]:
    for _ in range(n // PIECE):
        yield GOOD * (PIECE - 1) + WRONG


def ask(server: Server, n: int) -> list[str]:
    """What is wrong with the replies to n lines."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    connection.request("POST", "/v1/losses/cross_entropy", pieces(n), {"Content-Type": "application/jsonl"},
                       encode_chunked=True)
    reply = connection.getresponse()
    if reply.status != 200:
        return [f"status {reply.status}: {reply.read()[:200]!r}"]
    first, seen, wrong = b"", 0, []
    for seen, line in enumerate(reply, 1):
        first = first or line
        if seen % PIECE == 0:
            good = b'"code":"target_out_of_bounds"' in line and b'"line":%d,' % seen in line
        else:
            good = line == first
        if not good and len(wrong) < 3:
            wrong.append(f"reply {seen} is {line[:200]!r}")
    connection.close()
    return wrong if seen == n else [*wrong, f"{seen} replies to {n} lines"]


def main() -> int:
    total = int(os.environ.get("LINES") or 1_000_000) // PIECE * PIECE
    begun = time.monotonic()
    with Server(FLAGS) as server:
        wrong = ask(server, PIECE)
        before = server.resident_bytes()
        peak = Peak(server)
        wrong += ask(server, total)
        grown = peak.stop() - before
        if grown > MOST_BYTES and not is_sanitized():
            wrong.append(f"it has taken {grown:,} bytes more")
        wrong += server.findings()[:3]
    for what in wrong:
        print(f"      wrong: {what}")
    print(f"{total:,} lines in {time.monotonic() - begun:.0f} s, {grown:,} bytes more at the most: "
          f"{'flat' if not wrong else 'WRONG'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
