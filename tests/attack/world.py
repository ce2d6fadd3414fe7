"""What an act has in its hands: the server under attack, problems with known answers, and where to write down."""

from __future__ import annotations

import os
import random
import threading
from dataclasses import dataclass, field

from daemon import is_sanitized
from judge import Judge
from problems import Pool
from record import Record
from wire import Connection, Ended, Reply, Violation

# The longest that a good client may wait for an answer, all attackers at work.
PATIENCE = 180.0 if is_sanitized() else 45.0
SHM_PREFIX = f"lossd_attack_{os.getpid()}_"


@dataclass(frozen=True)
class World:
    port: int
    pool: Pool
    record: Record
    judge: Judge
    largest: int  # the largest body that a good client sends here
    # Held by the one act that waits while it holds many connections: two could wait for each other.
    crowd: threading.Lock = field(default_factory=threading.Lock)
    excuses: threading.Lock = field(default_factory=threading.Lock)

    def connect(self, seconds: float = PATIENCE, window: int = 0) -> Connection:
        connection = Connection(self.port, seconds, window)
        self.record.count("connections")
        return connection

    def send(self, connection: Connection, data: bytes) -> None:
        self.record.count("requests")
        connection.send(data)

    def was_slow(self) -> bool:
        """Whether the server has ended a slow transfer since it was asked last: each is an excuse for one client."""
        with self.connect() as connection:
            connection.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            text = connection.reply("GET").body.decode()
        ended = int(float(text.partition('reason="slow_transfer"} ')[2].partition("\n")[0] or 0))
        with self.excuses:
            seen = self.record.seen_slow
            self.record.seen_slow += ended > seen
        return ended > seen

    def expect_no_harm(self, data: bytes) -> Reply | None:
        """Sends what may be wrong in any way. None: the connection was ended without a reply, which is allowed."""
        with self.connect() as connection:
            try:
                try:
                    self.send(connection, data)
                except ConnectionError:
                    pass  # refused before its end: there may be a reply
                reply = connection.reply()
            except (Ended, ConnectionError):
                self.record.count("cut")
                return None
            except TimeoutError:
                raise Violation(f"neither a reply nor an end within {PATIENCE:.0f} s") from None
        harmless(reply.status, reply.body)
        if reply.status != 200:
            self.record.refuse(str(reply.status))
        return reply


def harmless(status: int, text: bytes) -> None:
    """A wrong request may cause no 5xx but "HTTP version not supported"."""
    if status >= 500 and status != 505:
        raise Violation(f"an answer {status}: {text[:300]!r}")


def draw_id(rng: random.Random) -> str:
    return f"{rng.getrandbits(64):016x}"
