"""Requests and replies as bytes: safetensors both ways, arguments in the query string.

Nothing here sends or receives: what does, with threads or with asyncio, hands out memory to be sent
and gets memory to be filled.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
import uuid
from typing import Any, Callable, Iterator, Mapping, NamedTuple
from urllib.parse import quote, urlencode

import numpy as np

from . import _tensors, errors
from ._losses import DTYPE_SIZE, Loss, text_of
from .results import Result, Totals

SAFETENSORS = "application/x-safetensors"
#: What is shorter goes in one piece.
JOINED_BYTES = 1 << 16
#: The longest timeout that a server takes.
MAX_TIMEOUT_MS = 3_600_000
#: A header of replies is a few hundred bytes, and states of many groups.
MAX_HEADER_BYTES = 1 << 30
#: Statuses after which the same request may do better.
BUSY = (429, 503)


class Request(NamedTuple):
    """What is to be sent: ``owners`` keep the memory of ``pieces``."""

    method: str
    target: str
    pieces: list[Any]
    owners: Any = None
    kind: _tensors.Kind = _tensors.NUMPY

    @property
    def length(self) -> int:
        return sum(len(piece) for piece in self.pieces)


def evaluation(
    loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
) -> Request:
    """The request for an evaluation. The first tensor goes last: so its rows are evaluated as they
    arrive."""
    views = {name: _tensors.view(t, name) for name, t in tensors.items() if t is not None}
    order = [name for name in views if name != loss.input] + [name for name in views if name == loss.input]
    query = {k: text_of(v) for k, v in arguments.items() if v is not None}
    query["outputs"] = ",".join(outputs)
    pieces: list[Any] = [_header({name: views[name] for name in order}), *(views[name].memory() for name in order)]
    pieces = [piece for piece in pieces if len(piece)]
    if sum(map(len, pieces)) <= JOINED_BYTES:
        pieces = [b"".join(pieces)]
    kind = views[loss.input].kind if loss.input in views else _tensors.NUMPY
    return Request("POST", f"/v1/losses/{quote(loss.name)}?{urlencode(query)}", pieces, views, kind)


def discovery(name: str) -> Request:
    """The request for what a server knows of a loss."""
    return Request("GET", f"/v1/losses/{quote(name, safe='')}", [])


def _header(views: Mapping[str, _tensors.View]) -> bytes:
    entries, offset = {}, 0
    for name, view in views.items():
        entries[name] = {
            "dtype": view.dtype,
            "shape": view.shape,
            "data_offsets": (offset, offset + view.nbytes),
        }
        offset += view.nbytes
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


# ---------------------------------------------------------------- replies


class Reply:
    """A reply that is being read. ``reading`` yields memory to be filled, in order, all of it."""

    def __init__(self, status: int, headers: Mapping[str, str], kind: _tensors.Kind) -> None:
        self.status, self.kind = status, kind
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.request_id = self.headers.get("x-request-id")
        self.body = b""
        self.metadata: Mapping[str, str] = {}
        self.arrays: dict[str, tuple[np.ndarray, str]] = {}

    def reading(self) -> Iterator[memoryview]:
        length = int(self.headers.get("content-length", 0))
        if self.status == 200 and self.headers.get("content-type") == SAFETENSORS:
            yield from self._reading_tensors()
        elif length:
            body = bytearray(length)
            yield memoryview(body)
            self.body = bytes(body)

    def _reading_tensors(self) -> Iterator[memoryview]:
        left = int(self.headers.get("content-length", 1 << 62))
        size = bytearray(8)
        if left < len(size):
            raise invalid(f"a body of {left} bytes")
        yield memoryview(size)
        n = int.from_bytes(size, "little")
        if n > min(left - len(size), MAX_HEADER_BYTES):
            raise invalid(f"a header of {n} bytes")
        text = bytearray(n)
        yield memoryview(text)
        for array in self._arrays(text, left - len(size) - n):
            yield array.reshape(-1).view(np.uint8).data

    def _arrays(self, text: bytearray, left: int) -> list[np.ndarray]:
        """Room for each tensor of a header that has bytes, in order."""
        try:
            header = json.loads(text)
            self.metadata = header.pop("__metadata__", {})
            entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
            sizes = [math.prod(e["shape"]) * DTYPE_SIZE[e["dtype"]] for _, e in entries]
            if sum(sizes) > left:
                raise ValueError(f"{sum(sizes)} bytes of tensors in {left}")
            self.arrays = {n: (_tensors.empty(e["dtype"], tuple(e["shape"])), e["dtype"]) for n, e in entries}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise invalid(str(error)) from error
        return [array for array, _ in self.arrays.values() if array.nbytes]

    def document(self) -> Any:
        """The body as JSON; {} where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def error(self) -> errors.LossError | None:
        if self.status < 300:
            return None
        document = self.document()
        error = errors.from_reply(self.status, document if isinstance(document, dict) else {}, self.request_id)
        after = self.headers.get("retry-after", "")
        error.retry_after = float(after) if after.isdigit() else None
        return error

    def result(self, outputs: tuple[str, ...]) -> Result:
        """Of an evaluation, whose outputs are in the order asked for."""
        lost = [name for name in outputs if name not in self.arrays]
        if lost:
            raise invalid(f"there is no {lost[0]}")
        found = {name: self.kind.answer(*self.arrays[name]) for name in outputs}
        members = {name: json.loads(text) for name, text in self.metadata.items()}
        totals = members.get("totals")
        return Result(
            found,
            totals and Totals(**{k: _number(v) if k != "state" else v for k, v in totals.items()}),
            members.get("metrics", {}),
            tuple(members.get("warnings", ())),
            self.request_id,
        )


def invalid(why: str) -> errors.LossError:
    return errors.ServerError(f"the reply is not safetensors: {why}", "invalid_reply")


def _number(value: Any) -> Any:
    """JSON has infinities and NaN as strings."""
    return float(value) if isinstance(value, str) else value


# ---------------------------------------------------------------- attempts


def default_trace() -> Mapping[str, str]:
    """The headers of the current span of OpenTelemetry, where the caller has imported it."""
    propagate = sys.modules.get("opentelemetry.propagate")
    carrier: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(carrier)
    return carrier


class Settings(NamedTuple):
    """How a client asks; Client says what each means."""

    key: str | None
    timeout: float | None
    retries: int
    trace: Callable[[], Mapping[str, str]]


class Attempts:
    """One request, sent as often as it takes and its timeout allows."""

    def __init__(self, settings: Settings, host: str) -> None:
        self.settings = settings
        self.deadline = None if settings.timeout is None else time.monotonic() + settings.timeout
        self.made = 0
        self.headers = {"Host": host, "Accept": f"{SAFETENSORS}, application/json;q=0.5"}
        self.headers["X-Request-Id"] = uuid.uuid4().hex
        if settings.key is not None:
            self.headers["Authorization"] = f"Bearer {settings.key}"
        self.headers.update(settings.trace())

    def left(self) -> float | None:
        """Seconds until the deadline; DeadlineError where it is over."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.late()
        return left

    def late(self) -> errors.LossError:
        return errors.make(f"there was no reply within {self.settings.timeout} seconds", "deadline_exceeded")

    def next_headers(self, request: Request) -> dict[str, str]:
        """Those of the next attempt: what is left of the time goes with it."""
        headers = dict(self.headers)
        left = self.left()
        if left is not None:
            headers["X-Request-Timeout-Ms"] = str(min(max(math.ceil(left * 1000), 1), MAX_TIMEOUT_MS))
        if request.method == "POST":
            headers["Content-Type"] = SAFETENSORS
            headers["Content-Length"] = str(request.length)
        return headers

    def pause(self, error: errors.LossError) -> float:
        """Seconds to wait before the next attempt. Raises the error where there is to be none."""
        waits = error.status in BUSY or error.code == "unreachable"
        if not waits or self.made > self.settings.retries:
            raise error
        backoff = min(0.05 * 2**self.made, 5.0)
        seconds = (error.retry_after or 0.0) + backoff * random.random()
        if self.deadline is not None and time.monotonic() + seconds >= self.deadline:
            raise error
        return seconds


def unreachable(where: str, error: BaseException) -> errors.LossError:
    made = errors.ServerError(f"{where} can not be reached: {error}", "unreachable")
    made.__cause__ = error
    return made


# ---------------------------------------------------------------- addresses


class Address(NamedTuple):
    """Where a server is, of "http://host:port", "https://host:port" or "unix:/path"."""

    text: str
    host: str  # of the header Host
    name: str
    port: int
    tls: bool
    path: str | None  # of a Unix socket


def address(url: str | None) -> Address:
    url = url or os.environ.get("LOSSD_URL") or "http://127.0.0.1:8080"
    if url.startswith("unix:"):
        return Address(url, "localhost", "", 0, False, url[len("unix:") :])
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError(f"the URL is {url!r}, but must begin with http://, https:// or unix:")
    host = rest.split("/", 1)[0]
    if rest.rstrip("/") != host:
        raise ValueError(f"the URL is {url!r}, but must end after host and port")
    name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
    if port and not port.isdigit():
        raise ValueError(f"the URL is {url!r}, but its port must be a number")
    tls = scheme == "https"
    return Address(url, host, name.strip("[]"), int(port or (443 if tls else 80)), tls, None)


def tls_context(ca: str | None, certificate: Any) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(*([certificate] if isinstance(certificate, str) else certificate))
    return context
