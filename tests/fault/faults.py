"""The switch of interposer.c: what of a program fails, and what it has counted."""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile

BUILD = os.environ.get("BUILD") or "build"
INTERPOSER = os.path.abspath(os.path.join(BUILD, "tests/fault/interposer.so"))
LEAKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leaks.supp")
EVER = (1 << 64) - 1


class Words(ctypes.Structure):
    """struct fault_switch."""

    _fields_ = [(name, ctypes.c_uint64) for name in ("begun", "from_", "to", "sites", "failed", "interrupts", "waits",
                                                "jumps", "looks")]
    _fields_ += [("blocks", ctypes.c_int64), ("mapped", ctypes.c_int64)]


class Switch:
    """Shared with one program at a time, which is started with its environment."""

    def __init__(self) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(bytes(ctypes.sizeof(Words)))
            self._path = file.name
        with open(self._path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), ctypes.sizeof(Words))
        self.words = Words.from_buffer(self._map)

    def __enter__(self) -> Switch:
        return self

    def __exit__(self, *error: object) -> None:
        os.unlink(self._path)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": INTERPOSER, "FAULT_SWITCH": self._path,
                "ASAN_OPTIONS": f"verify_asan_link_order=0:{os.environ.get('ASAN_OPTIONS', '')}",
                "LSAN_OPTIONS": f"suppressions={LEAKS}:print_suppressions=0"}

    def arm(self, first: int, last: int) -> None:
        """From now on, counting from 1, the sites from the first to the last fail."""
        self.words.from_ = 0
        self.words.failed = self.words.sites = 0
        self.words.to = last
        self.words.from_ = first

    def disarm(self) -> int:
        """The number of sites that have failed."""
        self.words.from_ = 0
        return int(self.words.failed)

    def renew(self) -> None:
        """For another program."""
        ctypes.memset(ctypes.addressof(self.words), 0, ctypes.sizeof(Words))

    def alive(self) -> tuple[int, int]:
        """Blocks and mapped bytes."""
        return self.words.blocks, self.words.mapped
