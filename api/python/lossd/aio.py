"""Evaluating by a server, with asyncio: client.py has the same with threads."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
from typing import Any, Callable, Mapping, Sequence

from . import _interface, _wire, errors, results
from ._interface import named_outputs, with_exact_totals
from ._losses import LOSSES, Loss, plain
from ._methods import AsyncMethods
from .results import Result

#: Bytes that are handed to a connection at a time, so that it copies no more of them.
_CHUNK = 1 << 18


#: More that were open at once are closed when they have been used.
KEPT_CONNECTIONS = 64


class _Connection:
    """A connection with HTTP/1.1 on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.used = self.cut = False

    async def send(self, request: _wire.Request, headers: Mapping[str, str], answer: asyncio.Future) -> None:
        """Sends all of it, or as much as there is before the answer."""
        head = f"{request.method} {request.target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.writer.write(head.encode("latin-1") + b"\r\n")
        for piece in request.pieces:
            memory = memoryview(piece)
            for start in range(0, len(memory), _CHUNK):
                await asyncio.sleep(0)  # what came is read before a write finds the connection closed
                if answer.done():
                    self.cut = True  # what is missing would be taken for the next request
                    return
                self.writer.write(memory[start : start + _CHUNK])
                await self.writer.drain()

    async def head(self) -> tuple[int, Mapping[str, str]]:
        text = await self.reader.readuntil(b"\r\n\r\n")
        line, _, rest = text.partition(b"\r\n")
        return int(line.split(b" ", 2)[1]), dict(http.client.parse_headers(io.BytesIO(rest)).items())

    async def fill(self, room: memoryview) -> None:
        while room:
            part = await self.reader.read(len(room))
            if not part:
                raise ConnectionResetError("the connection was closed in a reply")
            room[: len(part)] = part
            room = room[len(part) :]

    def close(self) -> None:
        self.writer.close()


class AsyncClient(AsyncMethods):
    """:class:`lossd.Client` for asyncio: the same parameters, and methods that are awaited.

    It belongs to one event loop. Evaluations at the same time go over connections of their own; one
    that is cancelled is stopped on the server too, by its connection's end.

    >>> import asyncio, lossd, numpy
    >>> async def main(url):
    ...     async with lossd.AsyncClient(url) as client:
    ...         return await client.cross_entropy(numpy.zeros((2, 4), "f4"), numpy.array([0, 3]))
    >>> with lossd.serve() as server:
    ...     float(asyncio.run(main(server.url)))
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
        self._address = _wire.address(url)
        self._settings = _wire.Settings(key, timeout, retries, trace)
        self._tls = _wire.tls_context(ca, certificate) if self._address.tls else None
        self._idle: list[_Connection] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._address.text}>"

    @property
    def url(self) -> str:
        return self._address.text

    # ------------------------------------------------------------ connections

    async def _connect(self) -> _Connection:
        where = self._address
        if where.path is not None:
            return _Connection(*await asyncio.open_unix_connection(where.path))
        return _Connection(*await asyncio.open_connection(where.name, where.port, ssl=self._tls))

    async def close(self) -> None:
        """Closes the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    # ------------------------------------------------------------ requests

    async def _exchange(
        self, connection: _Connection, request: _wire.Request, attempts: _wire.Attempts
    ) -> _wire.Reply:
        # A server that refuses a body answers before it closes.
        head = asyncio.ensure_future(connection.head())
        try:
            with contextlib.suppress(ConnectionError):
                await connection.send(request, attempts.next_headers(request), head)
            status, headers = await head
        finally:
            head.cancel()
        reply = _wire.Reply(status, headers, request.kind)
        for room in reply.reading():
            await connection.fill(room)
        return reply

    async def _attempt(self, request: _wire.Request, attempts: _wire.Attempts) -> _wire.Reply:
        """One attempt; a kept connection that turns out to be closed does not count as one."""
        while True:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                reply = await self._exchange(connection, request, attempts)
            except BaseException as error:
                connection.close()
                stale = isinstance(error, (ConnectionError, asyncio.IncompleteReadError))
                if connection.used and stale:
                    continue
                raise
            closes = connection.cut or reply.headers.get("connection", "").lower() == "close"
            if closes or len(self._idle) >= KEPT_CONNECTIONS:
                connection.close()
            else:
                connection.used = True
                self._idle.append(connection)
            return reply

    async def _try(self, request: _wire.Request, attempts: _wire.Attempts) -> _wire.Reply:
        """An attempt within the time that is left, whose failures are the package's."""
        try:
            return await asyncio.wait_for(self._attempt(request, attempts), attempts.left())
        except asyncio.TimeoutError as error:
            raise attempts.late() from error
        except errors.LossError:
            raise
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise _wire.unreachable(self.url, error) from error

    async def _ask(self, request: _wire.Request) -> _wire.Reply:
        """The reply, after as many attempts as it takes."""
        attempts = _wire.Attempts(self._settings, self._address.host)
        while True:
            attempts.made += 1
            try:
                reply = await self._try(request, attempts)
                error = reply.error()
                if error is None:
                    return reply
            except errors.ServerError as failure:
                error = failure
            await asyncio.sleep(attempts.pause(error))

    # ------------------------------------------------------------ what is asked

    async def _evaluate(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Result:
        return (await self._ask(_wire.evaluation(loss, tensors, outputs, arguments))).result(outputs)

    async def _function(self, loss: Loss, tensors: tuple, arguments: tuple) -> Any:
        named = _interface.given(loss.function_tensors, tensors)
        _interface.refuse_gradients(named)
        values = _interface.plain_arguments(loss, arguments)
        result = await self._evaluate(loss, named, (loss.output,), values)
        _interface.warn(result.warnings)
        return result.outputs[loss.output]

    async def evaluate(
        self,
        loss: str,
        tensors: Mapping[str, Any],
        outputs: Sequence[str] | str | None = None,
        **arguments: Any,
    ) -> Result:
        """Evaluates a loss by name, with any of its outputs: see :func:`lossd.evaluate`."""
        row = LOSSES.get(loss) or Loss((await self._ask(_wire.discovery(loss))).document())
        values = {k: plain(row, k, v) for k, v in with_exact_totals(row, arguments).items()}
        return await self._evaluate(row, tensors, named_outputs(row, outputs), values)

    async def losses(self) -> Mapping[str, Any]:
        """The server's table of losses: of each name the tensors, arguments and outputs."""
        rows = (await self._ask(_wire.Request("GET", "/v1/losses", []))).document()["losses"]
        return {row["name"]: row for row in rows}

    def merge(self, totals: Sequence[Any]) -> Result:
        """What totals of parts come to, in this process: see :func:`lossd.merge`."""
        return results.merge(totals)
