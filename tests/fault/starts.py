"""Memory and threads that fail while a program starts: the server, and `lossd eval`.

It ends with exit status 2 (of `lossd eval` 1 too) and one line, or does what it is to do. One end is another's: libgomp ends the process
with status 1, and a line of its own, where it has no memory or thread for its team, and can not be told not to.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from signal import SIGTERM
from typing import Protocol

from daemon import FINDINGS, LOSSD
from faults import EVER, Switch
from problems import as_json, as_safetensors
from scenarios import CODERS, TIMES, make_problem
from wire import Connection, Ended, Request

SECONDS = 60.0
SERVER_START = "the start"
LIVE = Request("/v2/health/live", method="GET").whole()
SERVER = (LOSSD, "--listen", "127.0.0.1:0", "--threads", "2", "--io-threads", "2", "--log-level", "error",
          "--hosts", "*", "--memory-budget-bytes", "64MiB", "--shm-key-prefix", "lossd_fault_")


class Row(Protocol):
    sites: int
    runs: dict[str, int]
    wrong: list[str]

    def complain(self, what: str) -> None: ...


class Program:
    """One run, from start to end; killed if it takes too long."""

    def __init__(self, switch: Switch, command: tuple[str, ...], first: int, last: int) -> None:
        switch.renew()
        switch.arm(first, last)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LOSSD_")}
        self._err = tempfile.TemporaryFile("w+", errors="replace")
        self.switch = switch
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._err,
                                        env={**kept, **switch.environment})
        self._watchdog = threading.Timer(SECONDS, self.process.kill)
        self._watchdog.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        self._err.close()

    @property
    def said(self) -> str:
        return os.pread(self._err.fileno(), 1 << 20, 0).decode(errors="replace")

    def ready_port(self) -> int:
        """0: it has ended instead."""
        for line in self.process.stdout or ():
            if b"ready on http://" in line:
                return int(line.rpartition(b":")[2])
        return 0

    def trouble(self, *codes: int) -> str:
        """What is wrong with the way it has ended, having failed."""
        code, said = self.process.wait(), self.said
        lines = [line for line in said.split("\n") if line]
        if code == 1 and len(lines) == 1 and lines[0].startswith("libgomp: "):
            return ""
        if FINDINGS.search(said):
            return said[:2000]
        if code not in codes or len(lines) != 1 or not lines[0].startswith("lossd"):
            return f"exit status {code}, and {said[:500]!r}"
        return ""


def _each(row: Row, run: Callable[[int, int], tuple[int, str]]) -> Row:
    """Every site, once and for good. A run gives the number of sites that have failed, and what is wrong."""
    for kind in row.runs:
        first, failed = 1, 1
        while failed and len(row.wrong) < 10:
            failed, wrong = run(first, first if kind == "once" else EVER)
            row.runs[kind] += failed > 0
            if wrong:
                row.complain(f"site {first}, {kind}: {wrong}")
            row.sites = max(row.sites, first - (failed == 0))
            first += 1
    return row


# ---------------------------------------------------------------- the server


def _serves(program: Program, port: int) -> str:
    try:
        with Connection(port, SECONDS) as connection:
            connection.send(LIVE)
            status = connection.reply("GET").status
    except (Ended, OSError) as error:
        return f"it is ready, but: {error}"
    program.process.send_signal(SIGTERM)
    code = program.process.wait()
    return "" if status == 200 and code == 0 else f"answers {status}, and ends with {code}: {program.said[:500]!r}"


def _start_server(row: Row) -> Row:
    with Switch() as switch:

        def run(first: int, last: int) -> tuple[int, str]:
            with Program(switch, SERVER, first, last) as program:
                port = program.ready_port()
                failed = switch.disarm()
                return failed, _serves(program, port) if port else program.trouble(2)

        return _each(row, run)


# ---------------------------------------------------------------- lossd eval


# Of flags: the file once more.
AGAIN = "AGAIN"


def _evaluate(name: str, flags: tuple[str, ...], body: bytes) -> Callable[[Row], Row]:
    def evaluate(row: Row) -> Row:
        with Switch() as switch, tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            command = (LOSSD, "eval", file.name, *(file.name if flag == AGAIN else flag for flag in flags))
            wanted = TIMES.sub(rb"\g<1>0", subprocess.run(command, capture_output=True, check=True).stdout)

            def run(first: int, last: int) -> tuple[int, str]:
                with Program(switch, command, first, last) as program:
                    assert program.process.stdout
                    out = TIMES.sub(rb"\g<1>0", program.process.stdout.read())
                    code = program.process.wait()
                    failed = switch.disarm()
                    if code == 0 and not program.said:
                        return failed, "" if out == wanted else f"prints {out[:300]!r}"
                    return failed, program.trouble(1, 2) or (f"prints {out[:300]!r}" if out else "")

            return _each(row, run)

    return evaluate


def _starts() -> list[tuple[str, Callable[[Row], Row]]]:
    problem = make_problem(40, 100)
    outputs = ("--threads", "2", "--outputs", "loss,grad")
    return [
        (SERVER_START, _start_server),
        ("lossd eval of JSON", _evaluate("JSON", ("--threads", "2"), as_json(problem).body)),
        ("lossd eval of safetensors in gzip",
         _evaluate("safetensors", outputs, CODERS["gzip"](as_safetensors(problem).body))),
        ("lossd eval of safetensors", _evaluate("safetensors", outputs, as_safetensors(problem).body)),
        ("lossd eval of two files",
         _evaluate("safetensors", (AGAIN, "--loss", "divergence", *outputs), as_safetensors(problem).body)),
    ]


STARTS = _starts()
