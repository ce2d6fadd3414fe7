"""One round: a server of one set-up, its attackers, and what must hold when they are gone."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from daemon import Server, is_sanitized
from draining import drain
from good import Session
from judge import SHED, Judge
from problems import Pool
from record import Record
from rude import non_readers_alone
from setups import MIB, Act, Setup, draw_act
from shared_memory import sweep
from wire import Ended, Request, Violation
from world import PATIENCE, World

WORKERS = 64
ENOUGH = 10  # violations, after which a round ends
SETTLE_SECONDS = 30.0
OVER_BUDGET = 64 * MIB
DRAINED_REQUESTS = 24


@dataclass
class Round:
    setup: Setup
    seed: str  # of this round
    names: frozenset[str]  # acts to restrict it to; none: all
    record: Record = field(default_factory=Record)
    checks: dict[str, bool] = field(default_factory=dict)

    def check(self, name: str, holds: bool, what: object) -> None:
        self.checks[name] = holds
        if not holds:
            self.record.violate(f"{self.seed} afterwards", f"{name}: {what}")


# ---------------------------------------------------------------- the attack


def _perform(world: World, act: Act, is_good: bool, where: str) -> None:
    rng = random.Random(where)
    try:
        act(world, rng)
    except Violation as violation:
        world.record.violate(f"{where} {act.__name__}", str(violation))
    except (OSError, Ended) as error:
        if is_good:
            world.record.violate(f"{where} {act.__name__}", f"{type(error).__name__}: {error}")
    except Exception:
        world.record.violate(f"{where} {act.__name__}", traceback.format_exc())


def _work(round_: Round, world: World, worker: int, goes_on: Callable[[], bool]) -> None:
    """The same seed makes the same acts in the same order; how many of them, time says."""
    seed = f"{round_.seed}/{worker}"
    rng, turn = random.Random(seed), 0
    while goes_on():
        act, is_good = draw_act(rng, round_.setup, round_.names)
        _perform(world, act, is_good, f"{seed}/{turn}")
        turn += 1


def _attack(round_: Round, server: Server, world: World, seconds: float) -> None:
    until = time.monotonic() + seconds

    def goes_on() -> bool:
        return time.monotonic() < until and server.is_alive and len(round_.record.violations) < ENOUGH

    threads = [threading.Thread(target=_work, args=(round_, world, worker, goes_on), daemon=True)
               for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()) + 3 * PATIENCE)
    round_.check("attackers end", not any(t.is_alive() for t in threads), "some still wait for the server")


# ---------------------------------------------------------------- afterwards


def _holds_in_time(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + SETTLE_SECONDS
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _serves(world: World) -> bool:
    """A fresh connection is asked for its health, and evaluates."""
    rng = random.Random(0)
    try:
        with Session(world) as session:
            ready = session.exchange(Request("/v2/health/ready", method="GET").whole(), "GET")
            return ready.status == 200 and session.ask(rng.choice(world.pool.small), rng)
    except (OSError, Ended):
        return False


def _unregister_all(world: World) -> None:
    with world.connect() as connection:
        world.send(connection, Request("/v2/systemsharedmemory/unregister").whole())
        connection.reply()


def _check_leftovers(round_: Round, server: Server, before: tuple[int, int]) -> None:
    def settled() -> bool:
        return server.descriptors() <= before[0] and server.threads() <= before[1]

    now = (server.descriptors(), server.threads())
    round_.check("nothing left open", _holds_in_time(settled), f"(descriptors, threads) {now}, before {before}")
    budget, peak = round_.setup.budget, server.peak_bytes()
    if budget and not is_sanitized():
        round_.check("memory", peak <= budget + OVER_BUDGET, f"a peak of {peak // MIB} MiB, budget {budget // MIB} MiB")


def _check_unread(round_: Round, world: World) -> None:
    """By itself: in the attack, other non-readers go and leave room."""
    seen = len(round_.record.violations)
    _perform(world, non_readers_alone, True, f"{round_.seed}/unread")
    round_.check("unread replies", len(round_.record.violations) == seen, "hold up other requests")


def _check_drain(round_: Round, server: Server, world: World) -> None:
    rng = random.Random(f"{round_.seed}/drain")
    outcome = drain(server, world, rng, DRAINED_REQUESTS, SHED)
    round_.check("drained", not outcome.troubles, "; ".join(outcome.troubles[:4]))


def _warm_up(server: Server, world: World) -> tuple[int, int]:
    """Descriptors and threads of a server that has evaluated, and whose connections are gone."""
    if not _serves(world):
        raise RuntimeError(f"the server does not serve: {server.log()[-2000:]}")
    with Session(world) as session:
        session.exchange(Request("/v2/health/live", method="GET").whole(), "GET")
        open_with_one = server.descriptors()
    _holds_in_time(lambda: server.descriptors() < open_with_one)
    return server.descriptors(), server.threads()


def run_round(round_: Round, pool: Pool, seconds: float) -> None:
    setup, record = round_.setup, round_.record
    try:
        with Server(setup.flags, setup.files) as server:
            world = World(server.port, pool, record, Judge(record), setup.largest)
            before = _warm_up(server, world)
            _attack(round_, server, world, seconds)
            round_.check("alive", server.is_alive, f"exit status {server.process.returncode}: {server.log()[-1000:]}")
            if server.is_alive:
                round_.check("serves", _holds_in_time(lambda: _serves(world)), "no evaluation on a fresh connection")
            if server.is_alive and round_.checks["serves"]:
                if setup.shared_memory:
                    _unregister_all(world)
                _check_unread(round_, world)
                _check_leftovers(round_, server, before)
                _check_drain(round_, server, world)
            round_.check("sanitizers", not server.findings(), server.findings()[:3])
    finally:
        sweep()
    round_.checks["no violations"] = not record.violations
