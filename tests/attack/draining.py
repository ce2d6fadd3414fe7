"""SIGTERM while requests of all sizes are on their way, on connections in every state.

A request counts as sent when its last byte was handed to the kernel before the signal was sent: it must be
answered, wherever it was then. What was sent later, or in part, may be answered or not.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from daemon import DRAIN_SECONDS, Server
from good import Session
from problems import Prepared
from wire import Connection, Ended, Violation
from world import PATIENCE, World, draw_id

# How the connection stood, and which size the request has.
KINDS: tuple[tuple[str, str], ...] = (
    ("new", "small"), ("new", "medium"), ("new", "large"), ("new", "wordy"),
    ("used", "small"), ("used", "medium"), ("used", "wordy"), ("pipelined", "small"))
ALL_SENT_SECONDS = 20.0


@dataclass(eq=False)
class Sender:
    """One connection: its request is sent on command, and its reply awaited."""

    world: World
    state: str
    prepared: Prepared
    request_id: str
    connection: Connection | None = None
    before: Prepared | None = None  # the request that it is answering, where this one is pipelined
    sent_at: float | None = None
    trouble: str = ""
    thread: threading.Thread = field(init=False)

    @property
    def kind(self) -> str:
        size = len(self.prepared.request.body)
        return f"{self.state}, {'under 64 KB' if size < 65536 else 'under 4 MB' if size < 4 << 20 else '4 to 30 MB'}"

    def _send(self, connection: Connection) -> None:
        data = self.prepared.request.whole(("X-Request-Id", self.request_id))
        if self.before:
            data = self.before.request.whole() + data
        connection.send(data)
        self.sent_at = time.monotonic()

    def _receive(self, connection: Connection, refusals: set[tuple[int, str]]) -> None:
        if self.before:
            self.world.judge.accept(self.before, connection.reply(), refusals)
        self.world.judge.accept(self.prepared, connection.reply(), refusals, self.request_id)

    def _exchange(self, refusals: set[tuple[int, str]]) -> None:
        try:
            if not self.connection:
                self.connection = self.world.connect()
            self.connection.renew(PATIENCE)
            self._send(self.connection)
            self._receive(self.connection, refusals)
        except (OSError, Ended, Violation) as error:
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            if self.connection:
                self.connection.socket.close()

    def start(self, refusals: set[tuple[int, str]]) -> None:
        self.thread = threading.Thread(target=self._exchange, args=(refusals,), daemon=True)
        self.thread.start()


@dataclass
class Outcome:
    sent: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.sent += other.sent
        self.lost += other.lost
        self.troubles += other.troubles


def _draw(world: World, rng: random.Random, state: str, size: str) -> Sender:
    several = getattr(world.pool, size)
    fitting = [p for p in several if len(p.request.body) <= world.largest]
    sender = Sender(world, state, rng.choice(fitting), draw_id(rng))
    if state != "new":
        session = Session(world)
        session.ask(rng.choice(world.pool.small), rng)
        sender.connection = session.connection
    if state == "pipelined":
        sender.before = rng.choice(world.pool.medium)
    return sender


def _wait_until_sent(senders: list[Sender], n: int) -> None:
    until = time.monotonic() + ALL_SENT_SECONDS
    while time.monotonic() < until and sum(s.sent_at is not None for s in senders) < n:
        time.sleep(0.0005)


def _stopped_in_its_tracks(server: Server, senders: list[Sender], refusals: set[tuple[int, str]]) -> None:
    """The small ones are sent to a server that stands still: the signal finds them in the kernel, some on
    connections that have not been accepted."""
    small = [s for s in senders if s.kind.endswith("64 KB") and not s.before]
    others = [s for s in senders if s not in small]
    for sender in others:
        sender.start(refusals)
    _wait_until_sent(others, len(others) * 2 // 3)
    server.signal(signal.SIGSTOP)
    for sender in small:
        sender.start(refusals)
    _wait_until_sent(small, len(small))


def _in_full_flight(senders: list[Sender], rng: random.Random, refusals: set[tuple[int, str]]) -> None:
    for sender in senders:
        sender.start(refusals)
    _wait_until_sent(senders, rng.randint(len(senders) // 4, len(senders)))


def drain(server: Server, world: World, rng: random.Random, n: int,
          refusals: set[tuple[int, str]]) -> Outcome:
    """Sends n requests and SIGTERM among them; the server is gone afterwards."""
    senders = [_draw(world, rng, *KINDS[i % len(KINDS)]) for i in range(n)]
    rng.shuffle(senders)
    stops = rng.random() < 0.5
    if stops:
        _stopped_in_its_tracks(server, senders, refusals)
    else:
        _in_full_flight(senders, rng, refusals)
    signalled_at = time.monotonic()
    server.signal(signal.SIGTERM)
    server.signal(signal.SIGCONT)
    outcome = Outcome()
    for sender in senders:
        sender.thread.join(2 * PATIENCE)
        if sender.sent_at is None or sender.sent_at >= signalled_at:
            continue
        outcome.sent[sender.kind] += 1
        if sender.trouble:
            outcome.lost[sender.kind] += 1
            outcome.troubles.append(f"{sender.kind}: {sender.trouble[:300]}")
    code = server.wait(DRAIN_SECONDS + 30)
    if code != 0:
        outcome.troubles.append(f"exit status {code} after SIGTERM" if code is not None else "no exit after SIGTERM")
    outcome.troubles += server.findings()
    return outcome
