"""HTTP/1.1 on bare sockets: what is sent is bytes, what comes back is read strictly."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field

MAX_HEAD = 64 * 1024
PIECE = 256 * 1024


class Violation(Exception):
    """The server did what it must never do; the text says what."""


class Ended(Exception):
    """The connection ended before a whole reply had come."""

    def __init__(self, received: bytes) -> None:
        super().__init__(f"the connection ended after {len(received)} bytes: {received[:120]!r}")
        self.received = received


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    method: str = "POST"

    def head(self, *more: tuple[str, str], length: bool = True) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: attack"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *more)]
        if length and (self.body or self.method == "POST"):
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def whole(self, *more: tuple[str, str]) -> bytes:
        return self.head(*more) + self.body

    def chunked(self, sizes: list[int], *more: tuple[str, str]) -> bytes:
        """The body in chunks of these sizes, repeated until all of it is there."""
        out = [self.head(("Transfer-Encoding", "chunked"), *more, length=False)]
        at = turn = 0
        while at < len(self.body):
            part = self.body[at : at + sizes[turn % len(sizes)]]
            out += [b"%x\r\n" % len(part), part, b"\r\n"]
            at, turn = at + len(part), turn + 1
        return b"".join([*out, b"0\r\n\r\n"])


@dataclass
class Connection:
    """A socket whose every wait ends at one time; TimeoutError is what comes then."""

    port: int
    seconds: float
    window: int = 0  # bytes that the kernel may take for us; 0: as it likes
    socket: socket.socket = field(init=False)
    received: bytes = b""
    is_ending: bool = False  # the last reply said so

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.seconds
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if self.window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.window)
        self.socket.settimeout(self.seconds)
        try:
            self.socket.connect(("127.0.0.1", self.port))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def renew(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    def _wait(self) -> None:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.socket.settimeout(left)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait()
            view = view[self.socket.send(view[:PIECE]) :]

    def receive(self, size: int = PIECE) -> bytes:
        self._wait()
        return self.socket.recv(size)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def rest(self) -> bytes:
        """All that comes until the server ends the connection, well or by a reset."""
        try:
            while part := self.receive():
                self.received += part
        except ConnectionError:
            pass
        return self.received

    def _more(self) -> None:
        try:
            part = self.receive()
        except ConnectionError:
            part = b""
        if not part:
            raise Ended(self.received)
        self.received += part

    def _head(self) -> bytes:
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if len(self.received) > MAX_HEAD:
                raise Violation(f"a reply's head without an end: {self.received[:200]!r}")
            self._more()
        head, self.received = self.received[:end], self.received[end + 4 :]
        return head

    def _body(self, size: int) -> bytes:
        parts = [self.received[:size]]
        self.received = self.received[size:]
        missing = size - len(parts[0])
        while missing > 0:
            try:
                part = self.receive(min(missing, PIECE))
            except ConnectionError:
                part = b""
            if not part:
                raise Ended(b"".join(parts))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def reply(self, method: str = "POST") -> Reply:
        """The next reply; those of status 1xx are read over."""
        status = 100
        while status < 200:
            status, headers = parse_head(self._head())
        self.is_ending = headers.get("connection", "").lower() == "close"
        bodyless = method == "HEAD" or status in (204, 304)
        if bodyless:
            return Reply(status, headers, b"")
        if "content-length" not in headers:
            raise Violation(f"a reply {status} without Content-Length")
        return Reply(status, headers, self._body(int(headers["content-length"])))


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
        raise Violation(f"a reply that begins {head[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers:
            raise Violation(f"a reply's head with the line {line!r}")
        headers[name.lower()] = value.strip()
    return int(rest[:3]), headers
