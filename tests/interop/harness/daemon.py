"""Starts the real server on a port of its own and stops it."""

import contextlib
import os
import subprocess
import tempfile
import threading

LOSSD = os.environ.get("LOSSD") or os.path.join(os.environ.get("BUILD", "build"), "lossd")
SHM_PREFIX = "lossd-interop-"
PATIENCE = 60  # seconds; only a broken server takes them


class Daemon:
    def __init__(self, process, address):
        self.process = process
        self.address = address  # host:port
        self.url = f"http://{address}"


def _ready_address(process):
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            if "ready on http://" in line:
                return line.rpartition("http://")[2].strip()
    finally:
        watchdog.cancel()
    raise RuntimeError("the server did not become ready")


@contextlib.contextmanager
def daemon(*flags):
    """A server with shared memory switched on. When the tests are done it must stop by itself, well."""
    command = [LOSSD, "--listen", "127.0.0.1:0", "--shm-key-prefix", SHM_PREFIX, *flags]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield Daemon(process, _ready_address(process))
            process.terminate()
            if process.wait(PATIENCE) != 0:
                raise RuntimeError(f"the server stopped with status {process.returncode}")
        except BaseException:
            log.seek(0)
            print("# the server's log:", *log.read().splitlines()[-60:], sep="\n# ")
            raise
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
