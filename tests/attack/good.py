"""Good clients: each of their requests must be answered rightly, or refused as it may be, in time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from judge import LATE, SHED
from problems import Prepared
from wire import Ended, Reply, Request, Violation
from world import PATIENCE, World, draw_id

# A request that is told to come again must be served within so many seconds of trying.
STARVED = PATIENCE

PAGES = ("/", "/v1/losses", "/v1/losses/nll_loss", "/v2", "/v2/health/ready", "/v2/models/stats",
         "/metrics", "/openapi.yaml", "/problems/draining", "/v2/models/cross_entropy/config")


def _encode(request: Request, rng: random.Random, request_id: str) -> bytes:
    headers = [("X-Request-Id", request_id)]
    if rng.random() < 0.3:
        headers.append(("Accept-Encoding", "gzip"))
    if rng.random() < 0.2 and len(request.body) < 100_000:
        return request.chunked([rng.randint(1, 300) for _ in range(3)], *headers)
    return request.whole(*headers)


class Session:
    """A client that keeps its connection until it is told that it will be closed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connection = world.connect()
        self.used = False

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.socket.close()

    def exchange(self, data: bytes, method: str = "POST") -> Reply:
        if self.connection.is_ending:
            self.renew()
        used, self.used = self.used, True
        try:
            return self.exchange_once(data, method)
        except (ConnectionError, Ended) as error:
            # A server may close a connection that waits for a request, and this one came too late
            # (RFC 9112, section 9.3.1): clients ask again. Where memory is short, slow ones are ended too.
            if not (used and not getattr(error, "received", b"")) and not self.world.was_slow():
                raise
            self.world.record.count("again")
            self.renew()
            return self.exchange_once(data, method)

    def renew(self) -> None:
        self.connection.socket.close()
        self.connection = self.world.connect()

    def exchange_once(self, data: bytes, method: str) -> Reply:
        self.connection.renew(PATIENCE)
        self.world.send(self.connection, data)
        return self.connection.reply(method)

    def ask(self, prepared: Prepared, rng: random.Random) -> bool:
        """One request and its reply. False: refused for now."""
        request_id = draw_id(rng)
        reply = self.exchange(_encode(prepared.request, rng, request_id))
        return self.world.judge.accept(prepared, reply, SHED, request_id)


def until_served(world: World, prepared: Prepared, rng: random.Random) -> None:
    """As a client does that was told when to come again."""
    until = time.monotonic() + STARVED
    while time.monotonic() < until:
        with Session(world) as session:
            if session.ask(prepared, rng):
                return
        time.sleep(rng.uniform(0.5, 1))
    raise Violation(f"{len(prepared.request.body)} bytes were refused for {STARVED:.0f} s")


def _fitting(world: World, several: list[Prepared]) -> list[Prepared]:
    return [prepared for prepared in several if len(prepared.request.body) <= world.largest]


def new_connections(world: World, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 10)):
        until_served(world, rng.choice(world.pool.small), rng)


def keep_alive(world: World, rng: random.Random) -> None:
    with Session(world) as session:
        for _ in range(rng.randint(2, 30)):
            session.ask(rng.choice(world.pool.small), rng)


def pipelined(world: World, rng: random.Random) -> None:
    asked = [(rng.choice(world.pool.small), draw_id(rng)) for _ in range(rng.randint(2, 12))]
    with world.connect() as connection:
        connection.send(b"".join(_encode(p.request, rng, request_id) for p, request_id in asked))
        world.record.count("requests", len(asked))
        for prepared, request_id in asked:
            if connection.is_ending:
                return  # it has said so: what was sent after that must be sent again
            world.judge.accept(prepared, connection.reply(), SHED, request_id)


def in_pieces(world: World, rng: random.Random) -> None:
    prepared, request_id = rng.choice(world.pool.small), draw_id(rng)
    data = _encode(prepared.request, rng, request_id)
    with world.connect() as connection:
        cuts = sorted(rng.sample(range(len(data)), 4))
        for begin, end in zip([0, *cuts], [*cuts, len(data)]):
            connection.send(data[begin:end])
            time.sleep(0.005)  # so that they travel apart
        world.record.count("requests")
        world.judge.accept(prepared, connection.reply(), SHED, request_id)


def medium(world: World, rng: random.Random) -> None:
    with Session(world) as session:
        for _ in range(rng.randint(1, 4)):
            session.ask(rng.choice(world.pool.medium), rng)


def large(world: World, rng: random.Random) -> None:
    with Session(world) as session:
        session.ask(rng.choice(_fitting(world, world.pool.large)), rng)


def large_reply(world: World, rng: random.Random) -> None:
    with Session(world) as session:
        session.ask(rng.choice(_fitting(world, world.pool.wordy)), rng)


def with_expectation(world: World, rng: random.Random) -> None:
    """Sends its body only when it is asked for it."""
    prepared = rng.choice(world.pool.small + world.pool.medium)
    with world.connect() as connection:
        world.send(connection, prepared.request.head(("Expect", "100-continue")))
        while b"\r\n\r\n" not in connection.received:
            if not (part := connection.receive()):
                raise Violation("an end where 100 Continue was asked for")
            connection.received += part
        if connection.received.startswith(b"HTTP/1.1 100"):
            connection.send(prepared.request.body)
        world.judge.accept(prepared, connection.reply(), SHED)


def with_deadline(world: World, rng: random.Random) -> None:
    prepared = rng.choice(world.pool.small + _fitting(world, world.pool.wordy))
    header = ("X-Request-Timeout-Ms", str(rng.choice([1, 2, 5, 20, 100, 60_000])))
    with world.connect() as connection:
        world.send(connection, prepared.request.whole(header))
        world.judge.accept(prepared, connection.reply(), SHED | LATE)


def pages(world: World, rng: random.Random) -> None:
    with Session(world) as session:
        for target in rng.sample(PAGES, 4):
            method = rng.choice(["GET", "HEAD"])
            reply = session.exchange(Request(target, method=method).whole(), method)
            if reply.status != 200:
                raise Violation(f"{method} {target} was answered {reply.status}: {reply.body[:200]!r}")
            world.record.count("good")


def half_closed(world: World, rng: random.Random) -> None:
    """Says all that it has to say, closes its side, and reads: as `nc` and HTTP/1.0 clients do."""
    prepared, request_id = rng.choice(world.pool.small + world.pool.medium), draw_id(rng)
    with world.connect() as connection:
        world.send(connection, prepared.request.whole(("X-Request-Id", request_id)))
        connection.half_close()
        world.judge.accept(prepared, connection.reply(), SHED, request_id)


GOOD: tuple[Callable[[World, random.Random], None], ...] = (
    new_connections, keep_alive, pipelined, in_pieces, medium, large, large_reply,
    with_expectation, with_deadline, pages, half_closed)
