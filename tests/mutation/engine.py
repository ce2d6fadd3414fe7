"""Tries mutants in a folder of its own: builds each, runs tests until one fails, and puts all back."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from operators import Mutant

BUILD_SECONDS = 300.0
SPARE_SECONDS = 10.0  # that a test may take beyond three times what it took unmutated
MEMORY_BYTES = 16 << 30  # of address space; a mutant that wants it all must not get it
FILE_BYTES = 4 << 30
KEPT = "kept"  # the folder of what was built unmutated
TIMED = "durations.json"


class Verdict(Enum):
    KILLED = "killed"
    SURVIVED = "SURVIVED"
    EQUIVALENT = "equivalent"  # the compiler makes the same of it
    BROKEN = "does not compile"


@dataclass(frozen=True)
class Test:
    name: str
    command: tuple[str, ...]
    source: str  # its text: a test that speaks of a file comes early
    runs: tuple[str, ...] = ("",)  # how the paths of the code begin that it runs


@dataclass(frozen=True)
class Result:
    mutant: Mutant
    verdict: Verdict
    seconds: float
    why: str = ""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command: tuple[str, ...], folder: Path, environment: dict[str, str], seconds: float) -> int | None:
    """The exit status; None: it took too long, and was killed with all that it started."""
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                          preexec_fn=_limit) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@dataclass
class Engine:
    """One folder with the sources, in which `build` makes what the tests need."""

    folder: Path
    build: tuple[str, ...]
    tests: list[Test]
    linked: tuple[str, ...] = ()  # what `build` makes beside objects
    environment: dict[str, str] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        """Builds, keeps what was built, and times the tests, which must pass: by the second try, on a busy machine.
        What a test took is kept as well, until it or what it runs is built anew."""
        if run(self.build, self.folder, self.environment, 10 * BUILD_SECONDS) != 0:
            raise RuntimeError(f"the unmutated sources can not be built: {' '.join(self.build)}")
        self.keep_built()
        timed = self.folder / TIMED
        kept = json.loads(timed.read_text()) if timed.exists() else {}
        for test in self.tests:
            stamp = self._stamp(test)
            if test.name in kept and kept[test.name][0] == stamp:
                self.durations[test.name] = kept[test.name][1]
                continue
            if not self._time(test) and not self._time(test):
                raise RuntimeError(f"{test.name} fails unmutated")
            kept[test.name] = stamp, self.durations[test.name]
            timed.write_text(json.dumps(kept))

    def _stamp(self, test: Test) -> list[int]:
        """When the test and what it runs were built."""
        paths = [self.folder / name for name in (test.command[0], *self.linked)]
        return [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]

    def _time(self, test: Test) -> bool:
        begun = time.monotonic()
        code = run(test.command, self.folder, self.environment, BUILD_SECONDS)
        self.durations[test.name] = time.monotonic() - begun
        return code == 0

    # ------------------------------------------------------------ what was built

    @property
    def _kept(self) -> Path:
        return self.folder / KEPT

    def keep_built(self) -> None:
        """The objects of what may be mutated, and what is linked from them."""
        shutil.rmtree(self._kept, ignore_errors=True)
        for path in [*self.folder.rglob("*.o"), *(self.folder / name for name in self.linked)]:
            place = path.relative_to(self.folder)
            if "tests" not in place.parts:
                (self._kept / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, self._kept / place)

    def _rebuilt(self) -> Iterator[tuple[Path, Path]]:
        """What is not what was kept, each with that."""
        for kept in [path for path in self._kept.rglob("*") if path.is_file()]:
            path = self.folder / kept.relative_to(self._kept)
            if not path.exists() or path.stat().st_mtime_ns != kept.stat().st_mtime_ns:
                yield path, kept

    def _differs(self) -> bool:
        return any(path.read_bytes() != kept.read_bytes() for path, kept in self._rebuilt() if path.suffix == ".o")

    def _put_back(self) -> None:
        """With their times, so that they count as built from the source that was put back; and as new files, since
        a killed process may still be dying in the old ones."""
        for path, kept in self._rebuilt():
            copy = path.with_name(path.name + ".copy")
            shutil.copy2(kept, copy)
            copy.replace(path)

    # ------------------------------------------------------------ mutants

    def _order(self, path: str) -> list[Test]:
        """Those that run the file: first the test named after it, then those that speak of it, then the rest; the
        quick ones first."""
        stem = Path(path).stem

        def rank(test: Test) -> tuple[int, float]:
            duration = self.durations.get(test.name, 0.0)
            if Path(test.name).name == f"test_{stem}":
                return 0, duration
            return (1 if stem in test.source else 2), duration

        return sorted((test for test in self.tests if path.startswith(test.runs)), key=rank)

    def _run_tests(self, path: str, seconds: float) -> str:
        """What killed it, by failing or taking too long twice; nothing where it survived."""
        until = time.monotonic() + seconds
        for test in self._order(path):
            left = until - time.monotonic()
            limit = 3 * self.durations.get(test.name, 0.0) + SPARE_SECONDS
            if left <= 0:
                return ""
            code = run(test.command, self.folder, self.environment, min(limit, left))
            if code is None and left < limit:
                return ""
            if code == 0 or (again := run(test.command, self.folder, self.environment, limit)) == 0:
                continue
            return test.name if again else f"{test.name} (took too long)"
        return ""

    def try_mutant(self, mutant: Mutant, seconds: float) -> Result:
        begun = time.monotonic()

        def result(verdict: Verdict, why: str = "") -> Result:
            return Result(mutant, verdict, time.monotonic() - begun, why)

        path = self.folder / mutant.path
        original, times = path.read_text(), path.stat()
        path.write_text(mutant.apply(original))
        try:
            if run(self.build, self.folder, self.environment, BUILD_SECONDS) != 0:
                return result(Verdict.BROKEN)
            if not self._differs():
                return result(Verdict.EQUIVALENT)
            killer = self._run_tests(mutant.path, seconds)
            return result(Verdict.KILLED if killer else Verdict.SURVIVED, killer)
        finally:
            path.write_text(original)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            self._put_back()
