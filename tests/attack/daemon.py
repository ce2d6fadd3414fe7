"""The server: started, watched from outside, stopped and judged."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
from functools import cache
from signal import Signals

LOSSD = os.environ.get("LOSSD") or os.path.join(os.environ.get("BUILD") or "build", "lossd")
START_SECONDS = 120
DRAIN_SECONDS = 30  # the default of --drain-timeout-ms
FINDINGS = re.compile(r"ERROR: AddressSanitizer|ThreadSanitizer|runtime error|LeakSanitizer|lossd: .*assert")


@cache
def is_sanitized() -> bool:
    with open(LOSSD, "rb") as file:
        return re.search(b"__asan_init|__tsan_init", file.read()) is not None


@cache
def has_flag(name: str) -> bool:
    text = subprocess.run([LOSSD, "--help"], capture_output=True, text=True, check=True).stdout
    return f"--{name} " in text


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("LOSSD_") or name == "LOSSD_ISA"}
    kept["TSAN_OPTIONS"] = f"ignore_noninstrumented_modules=1 {kept.get('TSAN_OPTIONS', '')}"
    return {**kept, **more}


def _command(flags: tuple[str, ...], files: int) -> list[str]:
    hosts = ("--hosts", "*") if has_flag("hosts") else ()
    command = [LOSSD, "--listen", "127.0.0.1:0", *hosts, *flags]
    if files:
        return ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
    return command


class Server:
    """Killed at the end of a with statement, if it still runs."""

    def __init__(self, flags: tuple[str, ...] = (), files: int = 0, environment: dict[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(_command(flags, files), stdout=subprocess.PIPE, stderr=self._log,
                                        stdin=subprocess.DEVNULL, text=True, env=_environment(environment or {}))
        self.port = self._ready_port()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self._log.close()

    def _ready_port(self) -> int:
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout or ():
                if "ready on http://" in line:
                    return int(line.rpartition(":")[2])
        finally:
            watchdog.cancel()
        raise RuntimeError(f"the server did not become ready: {self.log()[-2000:]}")

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """The exit status; None: it still runs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def log(self) -> str:
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def findings(self) -> list[str]:
        return [line for line in self.log().splitlines() if FINDINGS.search(line)]

    def _status(self, name: str) -> int:
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            match = re.search(rf"^{name}:\s+(\d+)", file.read(), re.MULTILINE)
        return int(match[1]) if match else 0

    def peak_bytes(self) -> int:
        return self._status("VmHWM") * 1024

    def resident_bytes(self) -> int:
        return self._status("VmRSS") * 1024

    def threads(self) -> int:
        return self._status("Threads")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
