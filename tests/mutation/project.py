"""lossd for the engine: a copy of the tree in a temporary folder, built there, with all tests of the harness."""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from engine import Engine, Test
from operators import Mutant, mutants_of

HERE = Path(__file__).parent
FOLDERS = ("src", "server")
BUILD = "build"
RUN = f"{BUILD}/run"
LINKED = (f"{RUN}/libmutated.so", f"{RUN}/lossd")
# Without debug information, which may differ where the code does not.
MAKE = ("make", "-s", "-f", "Makefile", "-f", "tests/mutation/shared.mk", f"BUILD={BUILD}", "CFLAGS=-O2 -g0",
        "EXTRA_CFLAGS=-fPIC -fno-semantic-interposition")
# With how the paths begin of what those tests run.
TESTS = {
    "tests/unit/test_*.c": FOLDERS, "tests/property/test_*.c": ("src/",), "tests/http/test_*.c": FOLDERS,
    "tests/fuzz/targets/test_*.c": FOLDERS,
}


# ---------------------------------------------------------------- what is mutated


@dataclass(frozen=True)
class Rule:
    """Of a list file: mutants that do not count, and why."""

    path: str  # a glob
    function: str  # a glob
    text: str  # a glob: of the line before; in equivalent.txt of "before -> after"
    reason: str


def read_rules(path: Path) -> list[Rule]:
    rules = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(" :: ")]
        if len(fields) != 4 or not all(fields):
            raise ValueError(f"{path}:{number}: not FILE :: FUNCTION :: TEXT :: REASON, but {line!r}")
        rules.append(Rule(*fields))
    return rules


def _matches(pattern: str, text: str) -> bool:
    """Only * is special: C is full of brackets."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def rule_for(rules: list[Rule], mutant: Mutant) -> Rule | None:
    whole = f"{mutant.before} -> {mutant.after}"
    for rule in rules:
        if (_matches(rule.path, mutant.path) and _matches(rule.function, mutant.function)
                and (_matches(rule.text, whole) or _matches(rule.text, mutant.before))):
            return rule
    return None


def all_mutants(root: Path, files: str) -> list[Mutant]:
    out: list[Mutant] = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.[ch]")):
            name = path.relative_to(root).as_posix()
            if path.name != "oracle.c" and (not files or fnmatch.fnmatchcase(name, files)):
                out += mutants_of(name, path.read_text())
    return out


# ---------------------------------------------------------------- the copy


def _listed(root: Path) -> list[str]:
    """What the tree holds: tracked, and new but not ignored."""
    command = ("git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(command, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name and (root / name).is_file()]


def copy_tree(root: Path, folder: Path) -> None:
    """Leaves alone what is the same there, so that a folder that is kept need not be built anew."""
    names = _listed(root)
    for name in names:
        source, target = root / name, folder / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    wanted = {folder / name for name in names}
    for path in [path for part in (*FOLDERS, "tests") for path in (folder / part).rglob("*") if path.is_file()]:
        if path not in wanted:
            path.unlink()


def _tests(root: Path) -> list[Test]:
    sources = sorted((path, runs) for pattern, runs in TESTS.items() for path in root.glob(pattern))
    return [Test(name := path.relative_to(root).with_suffix("").as_posix(), (f"{RUN}/{name}",), path.read_text(), runs)
            for path, runs in sources]


def make_engine(root: Path, folder: Path, jobs: int) -> Engine:
    """Built and timed."""
    copy_tree(root, folder)
    subprocess.run((*MAKE, f"-j{jobs}", "mutation-tests"), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    engine = Engine(folder, (*MAKE, f"-j{jobs}", "mutated"), _tests(folder), LINKED, {"BUILD": RUN, "LOSSD": ""})
    engine.prepare()
    return engine


def clone_engine(engine: Engine, folder: Path) -> Engine:
    """The same in another folder, for a second worker."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(engine.folder, folder, symlinks=True)
    return Engine(folder, engine.build, engine.tests, engine.linked, engine.environment, engine.durations)


def default_root() -> Path:
    return Path(os.path.abspath(HERE / ".." / ".."))
