"""The servers that are attacked, one after the other, and what is done to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bodies import BODIES
from framing import uncertain_framing
from good import GOOD
from rude import RUDE
from shared_memory import SHARED_MEMORY
from world import SHM_PREFIX, World

MIB = 1 << 20


@dataclass(frozen=True)
class Setup:
    name: str
    flags: tuple[str, ...] = ()
    files: int = 0  # descriptors that it may have; 0: as many as there are
    budget: int = 0  # bytes, where there is a bound to hold its memory against
    largest: int = 31 * MIB  # of the bodies that good clients send
    shared_memory: bool = False


SETUPS = (
    Setup("defaults"),
    Setup("few connections", ("--connections", "50", "--io-threads", "1")),
    Setup("64 MiB", ("--memory-budget-bytes", "64MiB"), budget=64 * MIB, largest=9 * MIB),
    Setup("short deadlines", (
        "--head-timeout-ms", "3000", "--idle-timeout-ms", "5000",
        "--body-timeout-ms", "3000", "--reply-timeout-ms", "3000")),
    Setup("few files", files=64),
    Setup("shared memory", ("--shm-key-prefix", SHM_PREFIX), shared_memory=True),
)

Act = Callable[[World, random.Random], None]


@dataclass(frozen=True)
class Group:
    """Acts that are as likely as each other, and how likely all of them are."""

    weight: int
    acts: tuple[Act, ...]
    is_good: bool = False  # any trouble of theirs is the server's fault
    wants_shared_memory: bool = False


GROUPS = (
    Group(50, GOOD, is_good=True),
    Group(20, RUDE),
    Group(10, (uncertain_framing,)),
    Group(15, BODIES),
    Group(15, SHARED_MEMORY, wants_shared_memory=True),
)


def draw_act(rng: random.Random, setup: Setup, names: frozenset[str]) -> tuple[Act, bool]:
    """An act, one of these names if there are any, and whether it is a good client's."""
    groups = [g for g in GROUPS if setup.shared_memory or not g.wants_shared_memory]
    while True:
        (group,) = rng.choices(groups, [g.weight for g in groups])
        act = rng.choice(group.acts)
        if not names or act.__name__ in names:
            return act, group.is_good
