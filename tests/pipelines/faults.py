"""Scoring that goes wrong, once each: what an engine must make good without a bit of difference."""

from __future__ import annotations

import os
import signal

import scoring


def _first_time(folder: str, what: str) -> bool:
    """Whether nobody has asked this before, in any process."""
    try:
        os.close(os.open(os.path.join(folder, what), os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


class Faulty:
    """Scores as the job does, but the worker dies with the state of one shard in its hands, raises after that of
    another, and a server is killed before a third."""

    def __init__(self, folder: str, server: int) -> None:
        self.folder, self.server = folder, server

    def __call__(self, path: str, url: str) -> tuple[str, str]:
        if "part-005" in path and _first_time(self.folder, "server killed"):
            os.kill(self.server, signal.SIGKILL)
        pair = scoring.score(path, url)
        if "part-009" in path and _first_time(self.folder, "worker killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if "part-012" in path and _first_time(self.folder, "task failed"):
            raise RuntimeError("this task fails once")
        return pair


FAULTS = {"server killed", "worker killed", "task failed"}
