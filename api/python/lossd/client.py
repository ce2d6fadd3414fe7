"""Evaluating by a server, with threads: see aio.py for the same with asyncio."""

from __future__ import annotations

import collections
import http.client
import os
import socket
import threading
import time
from typing import Any, Callable, Mapping, Sequence

from . import _wire, errors, results
from ._interface import Interface
from ._losses import LOSSES, Loss
from ._methods import Methods
from .results import Result

#: What a connection that its server has closed meanwhile says when it is used.
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


class _Unix(http.client.HTTPConnection):
    """A connection by a Unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Client(Interface, Methods):
    """A server, with the functions of ``lossd.functional`` and ``evaluate``.

    ``url`` is ``http://host:port``, ``https://host:port`` or ``unix:/path``; unless given, that of
    the environment variable ``LOSSD_URL``, or http://127.0.0.1:8080. ``key`` is one of the server's
    keys. ``timeout`` is how many seconds an evaluation may take with all of its attempts, of which
    the server is told what is left; None is for ever. ``retries`` is how often one that found the
    server full (429), going away (503) or not there is made again, after what the server says in
    Retry-After and a random time. ``ca`` is a file of certificates to trust instead of the
    system's, ``certificate`` a file of the client's own, or a pair of that and its key. ``trace``
    returns headers such as ``traceparent``; unless given, those of the current span of
    OpenTelemetry, if that was imported.

    Tensors go as they lie in memory, from where they lie, over connections that are kept. Any thread
    may use it; it may be pickled, and goes on in a forked process with connections of its own.
    Close it, or use it in ``with``.

    Raises :class:`lossd.LossError` like ``lossd.evaluate``, and beyond that
    :class:`lossd.ServerError`, :class:`lossd.AccessError`, :class:`lossd.DeadlineError`.

    >>> import lossd, numpy
    >>> with lossd.serve() as server, lossd.Client(server.url, timeout=60) as client:
    ...     float(client.cross_entropy(numpy.zeros((2, 4), "f4"), numpy.array([0, 3])))
    1.3862943649291992
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float | None = 300.0,
        retries: int = 4,
        ca: str | None = None,
        certificate: str | tuple[str, str] | None = None,
        trace: Callable[[], Mapping[str, str]] = _wire.default_trace,
    ) -> None:
        self._given = dict(
            url=url, key=key, timeout=timeout, retries=retries, ca=ca, certificate=certificate, trace=trace
        )
        self._address = _wire.address(url)
        self._settings = _wire.Settings(key, timeout, retries, trace)
        self._tls = _wire.tls_context(ca, certificate) if self._address.tls else None
        self._start()

    def _start(self) -> None:
        self._idle: collections.deque = collections.deque()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def __reduce__(self) -> tuple:
        return _remade, (type(self), self._given)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._address.text}>"

    @property
    def url(self) -> str:
        return self._address.text

    # ------------------------------------------------------------ connections

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        where = self._address
        if where.path is not None:
            return _Unix(where.path, timeout)
        if where.tls:
            return http.client.HTTPSConnection(where.name, where.port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(where.name, where.port, timeout=timeout)

    def _take(self) -> http.client.HTTPConnection | None:
        """A connection that was used before, the last one first."""
        with self._lock:
            if self._process != os.getpid():  # those of the parent are the parent's
                self._idle, self._process = collections.deque(), os.getpid()
            return self._idle.pop() if self._idle else None

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Closes the connections that are kept; those in use are closed when they are done."""
        while True:
            connection = self._take()
            if connection is None:
                return
            connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    # ------------------------------------------------------------ requests

    def _exchange(
        self, connection: http.client.HTTPConnection, request: _wire.Request, attempts: _wire.Attempts
    ) -> _wire.Reply:
        headers = attempts.next_headers(request)
        try:
            connection.request(request.method, request.target, iter(request.pieces), headers)
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise
            # A server that refuses a body answers before it closes.
        response = connection.getresponse()
        reply = _wire.Reply(response.status, dict(response.getheaders()), request.kind)
        for room in reply.reading():
            while room:
                if connection.sock is not None:
                    connection.sock.settimeout(attempts.left())
                n = response.readinto(room)
                if not n:
                    raise http.client.IncompleteRead(b"", len(room))
                room = room[n:]
        response.read()
        if response.will_close:
            connection.close()
        return reply

    def _attempt(self, request: _wire.Request, attempts: _wire.Attempts) -> _wire.Reply:
        """One attempt; a kept connection that turns out to be closed does not count as one."""
        while True:
            connection, left = self._take(), attempts.left()
            used = connection is not None
            if connection is None:
                connection = self._connect(left)
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(left)
                reply = self._exchange(connection, request, attempts)
            except BaseException as error:
                connection.close()
                if used and isinstance(error, _STALE):
                    continue
                if isinstance(error, (TimeoutError, socket.timeout)):
                    raise attempts.late() from error
                if isinstance(error, (OSError, http.client.HTTPException)):
                    raise _wire.unreachable(self.url, error) from error
                raise
            if connection.sock is not None:
                self._give(connection)
            return reply

    def _ask(self, request: _wire.Request) -> _wire.Reply:
        """The reply, after as many attempts as it takes."""
        attempts = _wire.Attempts(self._settings, self._address.host)
        while True:
            attempts.made += 1
            try:
                reply = self._attempt(request, attempts)
                error = reply.error()
                if error is None:
                    return reply
            except errors.ServerError as failure:
                error = failure
            time.sleep(attempts.pause(error))

    # ------------------------------------------------------------ what is asked

    def _loss(self, name: str) -> Loss:
        """A loss that is not in this package's table may be in the server's."""
        known = LOSSES.get(name)
        return known or Loss(self._ask(_wire.discovery(name)).document())

    def _evaluate(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Result:
        return self._ask(_wire.evaluation(loss, tensors, outputs, arguments)).result(outputs)

    def losses(self) -> Mapping[str, Any]:
        """The server's table of losses: of each name the tensors, arguments and outputs."""
        rows = self._ask(_wire.Request("GET", "/v1/losses", [])).document()["losses"]
        return {row["name"]: row for row in rows}

    def merge(self, totals: Sequence[Any]) -> Result:
        """What totals of parts come to, in this process: see :func:`lossd.merge`."""
        return results.merge(totals)


def _remade(kind: type, given: Mapping[str, Any]) -> Any:
    return kind(**given)
