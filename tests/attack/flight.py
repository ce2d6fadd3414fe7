"""SIGTERM while a thousand requests are known to be under way: each has begun and none is answered.

Of most the server has read the head, since it has asked for the body, of which the end is still to be sent. Of the
others a part of the reply has come, and the rest is more than the kernel holds. All of them must be answered, whole.
"""

from __future__ import annotations

import random
import resource
import signal
from dataclasses import dataclass

from daemon import DRAIN_SECONDS, Server
from draining import Outcome
from problems import Prepared
from wire import Connection, Ended, Violation
from world import PATIENCE, World, draw_id

READING = 8  # of them; each holds some megabytes
WINDOW = 16 << 10  # of who reads: far less than its reply
FILES_BESIDE = 64


@dataclass(eq=False)
class Flight:
    """One request, stopped on its way by its client."""

    kind: str
    prepared: Prepared
    request_id: str
    connection: Connection
    rest: bytes  # of its body


def _upload(world: World, rng: random.Random) -> Flight:
    prepared = rng.choice(world.pool.small)
    request, request_id = prepared.request, draw_id(rng)
    connection = world.connect()
    connection.send(request.head(("X-Request-Id", request_id), ("Expect", "100-continue")))
    while b"\r\n\r\n" not in connection.received:
        connection.received += connection.receive()
    if not connection.received.startswith(b"HTTP/1.1 100 "):
        raise Violation(f"no 100 (Continue), but {connection.received[:80]!r}")
    connection.received = b""
    sent = rng.randrange(len(request.body))
    connection.send(request.body[:sent])
    return Flight("in flight, its body is sent", prepared, request_id, connection, request.body[sent:])


def _reading(world: World, rng: random.Random) -> Flight:
    prepared, request_id = rng.choice(world.pool.wordy), draw_id(rng)
    connection = world.connect(window=WINDOW)
    connection.send(prepared.request.whole(("X-Request-Id", request_id)))
    connection.received = connection.receive(1)
    return Flight("in flight, its reply is read", prepared, request_id, connection, b"")


def _land(world: World, flight: Flight) -> str:
    """What is wrong with its end; nothing is."""
    try:
        flight.connection.renew(PATIENCE)
        flight.connection.send(flight.rest)
        world.judge.accept(flight.prepared, flight.connection.reply(), set(), flight.request_id)
    except (OSError, Ended, Violation) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        flight.connection.socket.close()
    return ""


def allow_files(n: int) -> None:
    """As many descriptors as that takes, where the system lets us have them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n + FILES_BESIDE
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def drain_in_flight(server: Server, world: World, rng: random.Random, n: int) -> Outcome:
    """Stops the server with n requests in flight; it is gone afterwards."""
    flights = [_upload(world, rng) for _ in range(n - READING)]
    flights += [_reading(world, rng) for _ in range(READING)]
    rng.shuffle(flights)
    outcome = Outcome()
    server.signal(signal.SIGTERM)
    for flight in flights:
        outcome.sent[flight.kind] += 1
        if trouble := _land(world, flight):
            outcome.lost[flight.kind] += 1
            outcome.troubles.append(f"{flight.kind}: {trouble[:300]}")
    code = server.wait(DRAIN_SECONDS + 30)
    if code != 0:
        outcome.troubles.append(f"exit status {code} after SIGTERM" if code is not None else "no exit after SIGTERM")
    outcome.troubles += server.findings()
    return outcome
