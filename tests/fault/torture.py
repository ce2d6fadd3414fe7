#!/usr/bin/env python3
"""Memory fails at the n-th site, once and for good, for every n, in every scenario; then calls are interrupted,
and the wall clock jumps.

    tests/fault/torture.py
    FAULT_SCENARIOS="JSON,errors" tests/fault/torture.py

Each time the answer is right, or a refusal (503, 429), or the connection is closed; the next request is served with
the right bits; the memory that requests hold is what it was, and nothing is left allocated. Where half or a
third of the calls that may wait are interrupted by a signal, all answers are right.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from signal import SIGTERM

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "attack"))

import secure
import starts
from daemon import Server, is_sanitized
from faults import EVER, Switch
from scenarios import SHM_PREFIX, Scenario, difference, make_scenarios
from wire import Connection, Ended, Reply, Request, Violation

FLAGS = ("--threads", "2", "--io-threads", "2", "--shm-key-prefix", SHM_PREFIX, "--cors-origins",
         "https://page.example", "--memory-budget-bytes", "256MiB", "--log-level", "error")
PATIENCE = 60.0 if is_sanitized() else 30.0
SETTLE = 30.0
FORGOTTEN = 2.0  # seconds after which what is still allocated may be a leak
REFUSALS = (503, 429)
KINDS = ("once", "for good")
INTERRUPTED = (2, 3)  # of so many calls that may wait one is
ENOUGH = 10  # things wrong, after which a scenario ends
WARM = 3  # runs, before what is kept is kept
LEAKS = 4  # times that a run is repeated to see whether each leaves something
METRICS = Request("/metrics", method="GET").whole()
CLOCK, END = "the clock jumps", "the end"
HELD = ("lossd_inflight_bytes", "lossd_connections")
ALONE = b"lossd_connections 1"


@dataclass
class Row:
    name: str
    sites: int = 0
    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    interrupted: int = 0
    wrong: list[str] = field(default_factory=list)

    def complain(self, what: str) -> None:
        self.wrong.append(what)
        if len(self.wrong) <= ENOUGH:
            print(f"      {self.name}, {what}", flush=True)


class Torture:
    """One server, and what it answers when nothing fails."""

    def __init__(self, server: Server, switch: Switch, is_secure: bool = False) -> None:
        self.server, self.switch, self.is_secure = server, switch, is_secure
        self.wanted: list[Reply] = []
        self.probe = make_scenarios()[0]
        self.probe_wanted = self._converse(self.probe)[0]
        self.held: list[bytes] = []  # not known yet
        self.held = self._look()

    # ------------------------------------------------------------ requests

    def _connect(self) -> Connection:
        if self.is_secure:
            return secure.SecureConnection(secure.port_of(self.server), PATIENCE)
        return Connection(self.server.port, PATIENCE)

    def _converse(self, scenario: Scenario) -> list[Reply]:
        """The replies until one is a refusal, or the connection ends."""
        replies: list[Reply] = []
        try:
            with self._connect() as connection:
                for data, method in zip(scenario.requests, scenario.methods):
                    connection.send(data)
                    replies.append(connection.reply(method))
                    if replies[-1].status in REFUSALS or connection.is_ending:
                        break
        except (Ended, ConnectionError):
            pass
        return replies

    def _clean(self, scenario: Scenario) -> None:
        if scenario.cleanup:
            with Connection(self.server.port, PATIENCE) as connection:
                connection.send(scenario.cleanup)
                connection.reply()

    def _look(self) -> list[bytes]:
        """The gauges of what is held, while one connection is open."""
        with Connection(self.server.port, PATIENCE + SETTLE) as connection:
            connection.send(self.probe.requests[0])
            probed = connection.reply()
            if wrong := difference(self.probe, probed, self.probe_wanted):
                raise Violation(f"the next request: {wrong}")
            until = time.monotonic() + SETTLE
            while True:
                connection.send(METRICS)
                lines = connection.reply("GET").body.split(b"\n")
                held = [line for line in lines if line.startswith(tuple(name.encode() for name in HELD))]
                # At first the connection before this one may still be there.
                if held == self.held or (not self.held and ALONE in held):
                    return held
                if time.monotonic() > until:
                    raise Violation(f"afterwards {held} instead of {self.held}")

    # ------------------------------------------------------------ one run

    def _run(self, scenario: Scenario, first: int, last: int) -> int:
        """The number of sites that have failed; 0: there are fewer than `first`."""
        self.switch.arm(first, last)
        try:
            replies = self._converse(scenario)
        except TimeoutError:
            raise Violation("no reply and no end") from None
        finally:
            failed = self.switch.disarm()
        self._judge(scenario, replies, failed)
        self._clean(scenario)
        self._look()
        return failed

    def _judge(self, scenario: Scenario, replies: list[Reply], failed: int) -> None:
        for reply, wanted in zip(replies, self.wanted):
            if reply.status in REFUSALS and failed:
                continue
            if wrong := difference(scenario, reply, wanted):
                raise Violation(wrong)
        if not failed and len(replies) < len(self.wanted):
            raise Violation("no reply, though nothing has failed")

    def _settled(self, before: tuple[int, int]) -> bool:
        until = time.monotonic() + FORGOTTEN
        while not self.is_secure and any(now > was for now, was in zip(self.switch.alive(), before)):
            if time.monotonic() > until:
                return False
            time.sleep(0.0002)
        return True

    def _leaks(self, scenario: Scenario, first: int, last: int) -> bool:
        """Whether each run leaves something: what is only kept does not grow."""
        for _ in range(LEAKS):
            before = self.switch.alive()
            self._run(scenario, first, last)
            if self._settled(before):
                return False
        return True

    def _interrupt(self, row: Row, scenario: Scenario, each: int) -> None:
        self.switch.words.interrupts = each
        try:
            self._judge(scenario, self._converse(scenario), 0)
        except (Violation, TimeoutError) as error:
            row.complain(f"one in {each} calls interrupted: {error}")
        finally:
            self.switch.words.interrupts = 0
        self._clean(scenario)
        row.interrupted += 1

    def clock(self, row: Row) -> Row:
        """The wall clock jumps by days. Deadlines are of another clock: nobody is late, or waits longer."""
        with Connection(self.server.port, PATIENCE) as idle, Connection(self.server.port, PATIENCE) as halfway:
            idle.send(METRICS)
            idle.reply("GET")
            halfway.send(METRICS[:9])
            self.switch.words.jumps = 1
            for scenario in make_scenarios():
                self.wanted = self._converse(scenario)
                self._clean(scenario)
                if len(self.wanted) != len(scenario.requests):
                    row.complain(f"{scenario.name}: {[reply.status for reply in self.wanted]}")
            row.sites = self.switch.words.looks
            for connection, rest in ((idle, METRICS), (halfway, METRICS[9:])):
                connection.send(rest)
                if (status := connection.reply("GET").status) != 200:
                    row.complain(f"an open connection: {status}")
            self.switch.words.jumps = 0
        if not row.sites:
            row.complain("nobody has looked at the clock")
        return row

    # ------------------------------------------------------------ all of them

    def _try(self, row: Row, scenario: Scenario, kind: str, first: int) -> bool:
        last = first if kind == "once" else EVER
        try:
            failed = self._run(scenario, first, last)
            if not self._settled(self.before) and self._leaks(scenario, first, last):
                row.complain(f"site {first}, {kind}: memory is left allocated")
            self.before = max(self.before, self.switch.alive())
        except (Violation, Ended, OSError) as error:
            failed = 1
            row.complain(f"site {first}, {kind}: {error}")
        row.runs[kind] += failed > 0
        if (code := self.server.wait(0)) is not None:
            row.complain(f"site {first}, {kind}: exit status {code}: {self.server.log()[-2000:]}")
        return failed > 0

    def scenario(self, scenario: Scenario) -> Row:
        row = Row(f"TLS: {scenario.name}" if self.is_secure else scenario.name)
        self.wanted = []
        for _ in range(WARM):
            self.wanted = self._converse(scenario)
            self._clean(scenario)
        if len(self.wanted) != len(scenario.requests):
            row.complain(f"without a fault: {[reply.status for reply in self.wanted]}")
            return row
        self._look()
        self.before = self.switch.alive()
        for kind in KINDS:
            first = 1
            while self.server.is_alive and len(row.wrong) < ENOUGH and self._try(row, scenario, kind, first):
                first += 1
            row.sites = max(row.sites, first - 1)
        for each in () if self.is_secure else INTERRUPTED:
            self._interrupt(row, scenario, each)
        return row


def _print_row(row: Row) -> None:
    state = "all hold" if not row.wrong else f"{len(row.wrong)} wrong"
    print(f"{row.name:<36}{row.sites:>7}{row.runs['once']:>8}{row.runs['for good']:>10}{row.interrupted:>13}  {state}", flush=True)


def torture(names: frozenset[str], is_secure: bool = False) -> list[Row]:
    """The scenarios of these names, on one server; none: all."""
    rows: list[Row] = []

    def note(row: Row) -> None:
        rows.append(row)
        _print_row(row)

    with Switch() as switch, _server(switch, is_secure) as server:
        torturer = Torture(server, switch, is_secure)
        for scenario in make_scenarios():
            if server.is_alive and (not names or scenario.name in names):
                note(torturer.scenario(scenario))
        if server.is_alive and not is_secure and (not names or CLOCK in names):
            note(torturer.clock(Row(CLOCK)))
        note(_end(server, switch))
    return rows


@contextlib.contextmanager
def _server(switch: Switch, is_secure: bool) -> Iterator[Server]:
    """With an object of shared memory to register, and perhaps with a certificate."""
    path = f"/dev/shm/{SHM_PREFIX}object"
    with open(path, "wb") as file:
        file.write(bytes(4096))
    try:
        with secure.Certificate() if is_secure else contextlib.nullcontext(()) as flags:
            with Server((*FLAGS, *flags), environment=switch.environment) as server:
                yield server
    finally:
        os.unlink(path)


def _end(server: Server, switch: Switch) -> Row:
    """SIGTERM, without memory: the end needs none. A sanitizer needs some, and tells what has leaked."""
    row = Row(END)
    if server.is_alive:
        if not is_sanitized():
            switch.arm(1, EVER)
            row.runs["for good"] = 1
        server.signal(SIGTERM)
    code = server.wait(PATIENCE)
    if code != 0:
        row.complain(f"exit status {code}: {server.log()[-3000:]}")
    for finding in server.findings()[:3]:
        row.complain(finding)
    return row


def run_all(names: frozenset[str]) -> list[Row]:
    """Those of these names; none: all."""
    print(f"{'scenario':<36}{'sites':>7}{'once':>8}{'for good':>10}{'interrupted':>13}")
    rows = torture(names)
    secured = frozenset(name for name in secure.NAMES if not names or f"TLS: {name}" in names)
    if secured and secure.is_there():
        rows += torture(secured, is_secure=True)
    for name, run in starts.STARTS:
        # A sanitizer ends a program that has no memory for its threads.
        if (not names or name in names) and not (is_sanitized() and name == starts.SERVER_START):
            rows.append(run(Row(name)))
            _print_row(rows[-1])
    return rows


def known() -> frozenset[str]:
    """The names that there are."""
    secured = (f"TLS: {name}" for name in secure.NAMES)
    return frozenset((*(scenario.name for scenario in make_scenarios()), *secured, CLOCK, END, *(name for name, _ in starts.STARTS)))


def main() -> int:
    names = frozenset(name.strip() for name in os.environ.get("FAULT_SCENARIOS", "").split(",") if name.strip())
    if unknown := names - known():
        print(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(sorted(known()))}")
        return 2
    begun = time.monotonic()
    rows = run_all(names)
    wrong = sum(len(row.wrong) for row in rows)
    runs = sum(sum(row.runs.values()) + row.interrupted for row in rows)
    print(f"{runs} runs in {time.monotonic() - begun:.0f} s, {wrong} wrong")
    print(f"{sum(not row.wrong for row in rows)} passed, {sum(bool(row.wrong) for row in rows)} failed, 0 skipped")
    return 0 if rows and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
