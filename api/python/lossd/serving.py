"""The program that the package brings: where it is, and a server of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from typing import Any

from . import errors
from ._library import FOLDER
from .client import Client

#: Seconds until it has begun, and until it has stopped.
_PATIENCE = 60.0


def program() -> str:
    """The path of ``lossd``, the program: ``lossd eval``, ``lossd merge`` and the server."""
    return os.path.join(FOLDER, "bin", "lossd")


class Server(Client):
    """A :class:`lossd.Client` of a server that was started for it, and stops with it."""

    def __init__(self, process: Any, log: Any, url: str, **client: Any) -> None:
        super().__init__(url, **client)
        self._program, self._log, self._owner = process, log, os.getpid()

    def __reduce__(self) -> tuple:
        return Client, (self.url,)  # elsewhere it is a client of it

    def close(self) -> None:
        """Stops the server: what was asked is answered first."""
        super().close()
        if self._owner != os.getpid() or self._program.poll() is not None:
            return
        self._program.send_signal(signal.SIGTERM)
        try:
            self._program.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
        self._program.stdout.close()
        self._log.close()

    def __enter__(self) -> "Server":
        return self

    def __del__(self) -> None:
        if hasattr(self, "_program"):
            self.close()


def _flags(settings: dict[str, Any]) -> list[str]:
    """Settings as the program takes them: threads=2 is --threads 2."""
    flags = []
    for name, value in settings.items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            flags += ["--" + name.replace("_", "-"), text]
    return flags


def _url(process: Any) -> str | None:
    """Where the server says that it is; None where it ends without a word."""
    watchdog = threading.Timer(_PATIENCE, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if line.startswith("lossd: ready on "):
                return line[len("lossd: ready on ") :].split()[0].rstrip(",")
    finally:
        watchdog.cancel()
        watchdog.join()
    return None


def serve(
    listen: str = "127.0.0.1:0", *, client: dict[str, Any] | None = None, **settings: Any
) -> Server:
    """Starts a server on this machine, on a free port unless ``listen`` says otherwise, and returns
    a client of it; its ``url`` is for others. ``settings`` are the program's (``threads=2``),
    ``client`` the parameters of the client. Leave its ``with``, or close it, to stop it.

    Raises :class:`lossd.ServerError` with what the program says where it does not start.

    >>> import lossd, numpy
    >>> with lossd.serve(threads=1) as client:
    ...     float(client.cross_entropy(numpy.zeros((2, 4), "f4"), numpy.array([0, 3])))
    1.3862943649291992
    """
    log = tempfile.TemporaryFile("w+")
    command = [program(), "--listen", listen, *_flags(settings)]
    process: Any = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
    )
    url = _url(process)
    if url is None:
        process.kill()
        process.wait()
        process.stdout.close()
        log.seek(0)
        said = log.read().strip().splitlines()
        log.close()
        raise errors.ServerError(said[-1] if said else "the server did not start", "unreachable")
    return Server(process, log, url, **(client or {}))
