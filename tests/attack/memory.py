#!/usr/bin/env python3
"""Peak memory: one server after the other, each with one kind of input on 64 connections at once.

    MEMORY_CASES="a gzip bomb;64 MB of zeros" tests/attack/memory.py

The peak of each must be within the memory budget and 64 MiB; nobody gets a 5xx, or waits for ever; and a good request
is answered afterwards.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import struct
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from signal import SIGTERM

from daemon import Server
from problems import DEFINITIONS, SAFETENSORS, as_json, as_oip_binary, as_safetensors, draw
from wire import Connection, Ended, Request

MIB = 1 << 20
BUDGET = 64 * MIB
OVER = 64 * MIB
AT_ONCE = 64
PATIENCE = 120.0
FLAGS = ("--memory-budget-bytes", str(BUDGET), "--max-header-bytes", "16MiB", "--log-level", "error")
V1, V2 = "/v1/losses/cross_entropy", "/v2/models/cross_entropy/infer"
JSON, GZIP = ("Content-Type", "application/json"), ("Content-Encoding", "gzip")
GOOD = Request(V1, (JSON,), b'{"logits": [[1, 2]], "targets": [1]}')


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[], bytes]  # what is sent
    statuses: frozenset[int]  # that it may be answered with
    is_read: bool = True  # else it is held, unread or unfinished, until all are there
    at_once: int = AT_ONCE
    first: bytes = b""  # what its first bytes are answered with, where it is not read: nothing is waited for without


@dataclass
class Outcome:
    case: Case
    peak: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- inputs


def _zeros() -> bytes:
    return Request(V1, (JSON,), b'{"logits":[[0' + b",0" * (32 << 20) + b']],"targets":[0]}').whole()


def _announced() -> bytes:
    return Request(V1, (JSON,)).head(("Content-Length", str(1 << 30)), length=False) + b"{"


def _half_a_body() -> bytes:
    head = Request(V1, (JSON,)).head(("Content-Length", str(1 << 30)), length=False)
    return head + b'{"logits":[[0' + b",0" * (2 << 20)


def _members() -> bytes:
    return Request(V1, (JSON,), b"{" + b",".join(b'"k%d":0' % i for i in range(1_000_000)) + b"}").whole()


def _outputs() -> bytes:
    row = {"name": "logits", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    outputs = [{"name": f"o{i}"} for i in range(100_000)]
    return Request(V2, (JSON,), json.dumps({"inputs": [row], "outputs": outputs}).encode()).whole()


def _tensors() -> bytes:
    entry = b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = b"{" + b",".join(entry % i for i in range(1_000_000)) + b"}"
    return Request(V1, (("Content-Type", SAFETENSORS),), struct.pack("<Q", len(header)) + header).whole()


def _many_tensors_that_fit() -> bytes:
    """Within max_header_bytes."""
    header = b"{" + b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(250_000)) + b"}"
    return Request(V1, (("Content-Type", SAFETENSORS),), struct.pack("<Q", len(header)) + header).whole()


def _coded(coding: str, coded: bytes) -> bytes:
    return Request(V1, (JSON, ("Content-Encoding", coding)), coded).whole()


def _zstd_bomb() -> bytes:
    """Blocks of 128 KiB from four bytes each (RFC 8878, section 3.1.1.2.2)."""
    return _coded("zstd", b"\x28\xb5\x2f\xfd\0\x68" + b"\x02\0\x10 " * 4000)


def _within_the_ratio() -> bytes:
    """A hundred times as long as it is coded, nearly, and wrong only at its end."""
    rng, parts = random.Random(1), [b'{"logits":[[0']
    for _ in range(1600):
        parts.append(b",0" * 15_000 + b",%d" % rng.randrange(10**300))
    return _coded("gzip", gzip.compress(b"".join(parts) + b"]]}", 9))


def _small_chunks(n: int) -> Callable[[], bytes]:
    def make() -> bytes:
        head = replace(GOOD, body=b"").head(("Transfer-Encoding", "chunked"), length=False)
        text = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD.body)
        return head + text + b"1\r\n \r\n" * (n - len(GOOD.body)) + b"0\r\n\r\n"

    return make


def _problem(rows: int, classes: int, repeat: int) -> object:
    return replace(draw(random.Random(1), DEFINITIONS[0], rows, classes, repeat), gradient=True)


def _asked(form: Callable[[object], Request], repeat: int, *headers: tuple[str, str]) -> Callable[[], bytes]:
    def make() -> bytes:
        request = form(_problem(40, 1000, repeat))
        return replace(request, headers=(*request.headers, *headers)).whole()

    return make


def _pipelined() -> bytes:
    return GOOD.whole() * 1000


def _long_head() -> bytes:
    return b"GET /v1/losses HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 30_000


SERVED = frozenset({200, 429})
REFUSED = frozenset({400, 413, 422, 429})
EITHER = SERVED | REFUSED
BOMB = b" " * (64 << 20)
CASES = (
    Case("64 MB of zeros", _zeros, REFUSED),
    Case("half a body of zeros, held", _half_a_body, REFUSED, is_read=False),
    Case("1 GiB announced, one byte sent", _announced, REFUSED, is_read=False),
    Case("a million brackets", lambda: Request(V1, (JSON,), b"[" * 1_000_000).whole(), REFUSED),
    Case("a million members", _members, REFUSED),
    Case("100,000 outputs", _outputs, REFUSED),
    Case("a million tensors", _tensors, REFUSED),
    Case("250,000 tensors", _many_tensors_that_fit, REFUSED),
    Case("a gzip bomb", lambda: _coded("gzip", gzip.compress(BOMB, 9)), REFUSED),
    Case("a deflate bomb", lambda: _coded("deflate", zlib.compress(BOMB, 9)), REFUSED),
    Case("a zstd bomb", _zstd_bomb, REFUSED),
    Case("gzip within the ratio", _within_the_ratio, REFUSED),
    Case("3 million chunks of a byte", _small_chunks(3_000_000), frozenset({200}), at_once=1),
    Case("100,000 chunks of a byte", _small_chunks(100_000), frozenset({200})),
    Case("8 MB of safetensors, a gradient", _asked(as_safetensors, 50), EITHER),
    Case("30 MB of safetensors, a gradient", _asked(as_safetensors, 190), EITHER),
    Case("8 MB of OIP, a gradient", _asked(as_oip_binary, 50), EITHER),
    Case("5 MB of JSON, a gradient", _asked(as_json, 5), EITHER),
    Case("5 MB of JSON, a gradient in gzip", _asked(as_json, 5, ("Accept-Encoding", "gzip")), EITHER),
    Case("gradients that nobody reads", _asked(as_safetensors, 50), EITHER, is_read=False, first=b"HTTP/1.1 "),
    Case("1,000 pipelined requests", _pipelined, SERVED),
    Case("heads of 30 KB, held", _long_head, REFUSED, is_read=False),
)


# ---------------------------------------------------------------- one case


class Crowd:
    """So many clients of one kind at once; those that hold wait for each other."""

    def __init__(self, server: Server, outcome: Outcome) -> None:
        self.server, self.outcome = server, outcome
        self.data = outcome.case.make()
        self.all_there = threading.Barrier(outcome.case.at_once)
        self.lock = threading.Lock()

    def note(self, answer: str, wrong: bool = False) -> None:
        with self.lock:
            self.outcome.answers[answer] += 1
            if wrong:
                self.outcome.wrong.append(answer)

    def ask(self) -> None:
        case = self.outcome.case
        with Connection(self.server.port, PATIENCE) as connection:
            with suppress(ConnectionError):
                connection.send(self.data)  # it may be refused before its end
            try:
                status = connection.reply().status
                self.note(str(status), status not in case.statuses)
            except (Ended, ConnectionError):
                self.note("closed")

    def hold(self) -> None:
        case = self.outcome.case
        with Connection(self.server.port, PATIENCE, window=4096) as connection:
            with suppress(ConnectionError):
                connection.send(self.data)
                if case.first:
                    connection.receive(len(case.first))
            self.all_there.wait(PATIENCE)
            self.note("held")

    def run(self) -> None:
        act = self.ask if self.outcome.case.is_read else self.hold
        try:
            act()
        except (TimeoutError, threading.BrokenBarrierError):
            self.note("waits for ever", wrong=True)
            self.all_there.abort()


def _serves(server: Server) -> bool:
    with suppress(OSError, Ended):
        with Connection(server.port, PATIENCE) as connection:
            connection.send(GOOD.whole())
            return connection.reply().status == 200
    return False


def run_case(case: Case) -> Outcome:
    outcome = Outcome(case)
    with Server(FLAGS) as server:
        crowd = Crowd(server, outcome)
        threads = [threading.Thread(target=crowd.run, daemon=True) for _ in range(case.at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not _serves(server):
            outcome.wrong.append(f"serves no more: {server.log()[-500:]}")
        outcome.peak = server.peak_bytes()
        server.signal(SIGTERM)
        if (code := server.wait(60)) != 0:
            outcome.wrong.append(f"exit status {code}: {server.log()[-500:]}")
    if outcome.peak > BUDGET + OVER:
        outcome.wrong.append("more than the budget and 64 MiB")
    return outcome


def main() -> int:
    names = [name.strip() for name in os.environ.get("MEMORY_CASES", "").split(";") if name.strip()]
    if unknown := set(names) - {case.name for case in CASES}:
        print(f"there is no case {'; '.join(sorted(unknown))}")
        return 2
    outcomes = []
    print(f"{AT_ONCE} at once; the bound is {(BUDGET + OVER) // MIB} MiB: a budget of {BUDGET // MIB} MiB, and 64")
    print(f"{'input':<36}{'peak, MiB':>10}  answers")
    for case in CASES:
        if names and case.name not in names:
            continue
        outcome = run_case(case)
        outcomes.append(outcome)
        answers = ", ".join(f"{n} × {answer}" for answer, n in sorted(outcome.answers.items()))
        print(f"{case.name:<36}{outcome.peak / MIB:>10.1f}  {answers}", flush=True)
        for what in outcome.wrong[:5]:
            print(f"      {case.name}: {what}", flush=True)
    worst = max((outcome.peak for outcome in outcomes), default=0)
    failed = sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"F8: a peak of {worst / MIB:.1f} MiB, {(BUDGET + OVER) // MIB} are allowed")
    print(f"{len(outcomes) - failed} passed, {failed} failed, 0 skipped")
    return 0 if outcomes and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
