"""Clients that leave, dawdle, or take what they asked for slowly or not at all."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator

from good import until_served
from problems import Prepared
from wire import Connection, Request, Violation
from world import World, harmless

STRIDE = 8  # an act cuts at every eighth byte, beginning at a drawn one
HOLD = 4.0  # seconds that one dawdles, if it is not cut before
SMALL_WINDOW = 4096
LIVE = Request("/v2/health/live", method="GET").whole()


def _plain(world: World, rng: random.Random) -> Prepared:
    return rng.choice([p for p in world.pool.small if len(p.request.body) < 2000])


# ---------------------------------------------------------------- leaving


@contextlib.contextmanager
def _cut_short(world: World, rng: random.Random) -> Iterator[list[tuple[Connection, str]]]:
    """Connections with a valid request up to a place, for places all over it, and where that is."""
    data = _plain(world, rng).request.whole()
    with contextlib.ExitStack() as stack:
        cut = []
        for place in range(rng.randrange(STRIDE), len(data), STRIDE):
            connection = stack.enter_context(world.connect())
            world.send(connection, data[:place])
            cut.append((connection, f"byte {place} of {len(data)}"))
        world.record.count("cut", len(cut))
        yield cut


def leave(world: World, rng: random.Random) -> None:
    with _cut_short(world, rng):
        pass


def leave_by_reset(world: World, rng: random.Random) -> None:
    with _cut_short(world, rng) as cut:
        for connection, _ in cut:
            connection.reset()


def stop_sending(world: World, rng: random.Random) -> None:
    """Half a request and a closed side: there is nothing to wait for, so the server has to end it."""
    with _cut_short(world, rng) as cut:
        for connection, _ in cut:
            connection.half_close()
        for connection, where in cut:
            try:
                rest = connection.rest()
            except TimeoutError:
                raise Violation(f"half-closed at {where}, and never ended") from None
            if rest.startswith(b"HTTP/1.1 200"):
                raise Violation(f"half-closed at {where}, and answered: {rest[:200]!r}")


def leave_with_the_reply_due(world: World, rng: random.Random) -> None:
    prepared = rng.choice(world.pool.wordy)
    with world.connect() as connection:
        world.send(connection, prepared.request.whole())
        if rng.random() < 0.5:
            connection.receive(rng.choice([1, 1000, 1_000_000]))
        connection.reset()
        world.record.count("cut")


# ---------------------------------------------------------------- dawdling


def _drip(connection: Connection, data: bytes, seconds: float) -> None:
    """A byte at a time, until it is cut or has no more time."""
    until = time.monotonic() + seconds
    for at in range(len(data)):
        if time.monotonic() > until:
            return
        connection.send(data[at : at + 1])
        time.sleep(0.05)


def slow_head(world: World, rng: random.Random) -> None:
    with world.connect() as connection:
        _drip(connection, _plain(world, rng).request.head(), HOLD)


def slow_body(world: World, rng: random.Random) -> None:
    request = rng.choice(world.pool.small + world.pool.medium).request
    with world.connect() as connection:
        world.send(connection, request.head())
        connection.send(request.body[: len(request.body) // 2])
        _drip(connection, request.body[len(request.body) // 2 :], HOLD)


def slow_next_request(world: World, rng: random.Random) -> None:
    """A used connection whose next request line drips."""
    with world.connect() as connection:
        world.send(connection, LIVE)
        harmless(connection.reply().status, b"")
        _drip(connection, LIVE, HOLD)


def slow_reader(world: World, rng: random.Random) -> None:
    with world.connect() as connection:
        world.send(connection, rng.choice(world.pool.wordy).request.whole())
        until = time.monotonic() + HOLD
        while time.monotonic() < until and connection.receive(4096):
            time.sleep(0.05)
        connection.reset()


@contextlib.contextmanager
def _many(world: World, n: int, window: int = 0) -> Iterator[list[Connection]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(world.connect(window=window)) for _ in range(n)]


def non_readers(world: World, rng: random.Random) -> None:
    """Large replies that nobody reads: others must be served all the same, if only after a while."""
    if not world.crowd.acquire(blocking=False):
        return
    try:
        _hold_unread(world, rng, rng.choice(world.pool.small))
    finally:
        world.crowd.release()


def non_readers_alone(world: World, rng: random.Random) -> None:
    """The same for a request that needs much of the memory that they hold: beside nobody else who does."""
    _hold_unread(world, rng, rng.choice(world.pool.wordy))


def _hold_unread(world: World, rng: random.Random, good: Prepared) -> None:
    unread = rng.choice(world.pool.wordy).request.whole()
    with _many(world, 12, SMALL_WINDOW) as connections:
        for connection in connections:
            world.send(connection, unread)
        for connection in connections:
            connection.receive(1)  # it has been evaluated, or refused
        until_served(world, good, rng)
        for connection in connections:
            connection.reset()


def announcers(world: World, rng: random.Random) -> None:
    """1 GiB is announced, one byte is sent."""
    head = Request("/v1/losses/cross_entropy").head(("Content-Length", str(1 << 30)), length=False)
    with _many(world, 8) as connections:
        for connection in connections:
            world.send(connection, head + b"{")
        time.sleep(HOLD * rng.random())


def idle_crowd(world: World, rng: random.Random) -> None:
    """More connections than some servers here are willing to have."""
    with _many(world, rng.randint(50, 250)) as connections:
        for connection in rng.sample(connections, 5):
            connection.send(LIVE[: rng.randrange(len(LIVE))])
        time.sleep(HOLD * rng.random() / 2)


RUDE: tuple[Callable[[World, random.Random], None], ...] = (
    leave, leave_by_reset, stop_sending, leave_with_the_reply_due, slow_head, slow_body,
    slow_next_request, slow_reader, non_readers, announcers, idle_crowd)
