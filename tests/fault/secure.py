"""The same by TLS, where the server has it: a certificate of that moment, and a connection that looks like a bare one.

The server must not end and must hold no more than before. How GnuTLS 3.7 itself fares is not looked at: it forgets a
block where it finds no memory for a message of a handshake.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import tempfile
from functools import cache

from daemon import LOSSD, Server
from wire import PIECE, Connection

# Of a large reply each record is some sites, all alike: thousands.
NAMES = ("JSON", "errors", "a large team job")


@cache
def is_there() -> bool:
    """Whether the server listens by TLS, and there is something to make a certificate with."""
    text = subprocess.run([LOSSD, "--help"], capture_output=True, text=True, check=True).stdout
    return "tls:" in text and shutil.which("openssl") is not None


def port_of(server: Server) -> int:
    match = re.search(r"https://127\.0\.0\.1:(\d+)", server.log())
    return int(match[1]) if match else 0


class Certificate:
    """Files that are there within a with statement, and the flags that name them."""

    def __enter__(self) -> tuple[str, ...]:
        self._folder = tempfile.TemporaryDirectory()
        certificate, key = (os.path.join(self._folder.name, name) for name in ("certificate.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        return ("--listen", "tls:127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key)

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class SecureConnection(Connection):
    """What goes wrong with TLS is an end of the connection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        bare = self.socket
        try:
            self.socket = _context().wrap_socket(bare)
        except OSError as error:
            bare.close()
            raise _of_the_connection(error) from None

    def receive(self, size: int = PIECE) -> bytes:
        try:
            return super().receive(size)
        except ssl.SSLError as error:
            raise _of_the_connection(error) from None

    def send(self, data: bytes) -> None:
        try:
            super().send(data)
        except ssl.SSLError as error:
            raise _of_the_connection(error) from None


def _of_the_connection(error: OSError) -> OSError:
    return error if isinstance(error, TimeoutError) else ConnectionError(str(error))
