"""Tensors in shared memory whose owner cuts, unregisters and overlaps them while the server is at them."""

from __future__ import annotations

import glob
import json
import os
import random
import struct
from collections.abc import Callable

from losses import cross_entropy
from problems import f32
from wire import Connection, Reply, Request, Violation
from world import SHM_PREFIX, World, draw_id, harmless

FOLDER = "/dev/shm/"
ROOM = 1 << 16
SHARED = 3  # objects that all workers fight over


def sweep() -> None:
    for path in glob.glob(FOLDER + SHM_PREFIX + "*"):
        os.unlink(path)


def _object(key: str, size: int, data: bytes = b"") -> None:
    fd = os.open(FOLDER + key, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, size)
    os.pwrite(fd, data, 0)
    os.close(fd)


def _post(world: World, connection: Connection, target: str, document: object) -> Reply:
    body = json.dumps(document).encode()
    world.send(connection, Request(target, (("Content-Type", "application/json"),), body).whole())
    reply = connection.reply()
    harmless(reply.status, reply.body)
    return reply


def _region(name: str) -> str:
    return f"/v2/systemsharedmemory/region/{name}"


def _place(region: str, offset: int, size: int) -> dict[str, object]:
    return {"parameters": {"shared_memory_region": region, "shared_memory_offset": offset,
                           "shared_memory_byte_size": size}}


def _inference(logits: dict[str, object], targets: dict[str, object], rows: int, classes: int,
               outputs: dict[str, dict[str, object]]) -> dict[str, object]:
    return {
        "inputs": [
            {"name": "logits", "shape": [rows, classes], "datatype": "FP32", **logits},
            {"name": "targets", "shape": [rows], "datatype": "INT64", **targets},
        ],
        "outputs": [{"name": name, **place} for name, place in outputs.items()],
    }


def own_region(world: World, rng: random.Random) -> None:
    """A good client of shared memory: its numbers must be right."""
    rows, classes = rng.randint(1, 8), rng.randint(2, 40)
    logits = [[f32(rng.gauss(0, 3)) for _ in range(classes)] for _ in range(rows)]
    targets = [rng.randrange(classes) for _ in range(rows)]
    data = b"".join(struct.pack(f"<{classes}f", *row) for row in logits)
    data += struct.pack(f"<{rows}q", *targets)
    key, size = SHM_PREFIX + draw_id(rng), rows * classes * 4
    _object(key, ROOM, data)
    document = _inference(_place(key, 0, size), _place(key, size, rows * 8), rows, classes,
                          {"loss": _place(key, ROOM - 4, 4)})
    with world.connect() as connection:
        wanted = {"key": key, "byte_size": ROOM}
        if _post(world, connection, f"{_region(key)}/register", wanted).status == 200:
            reply = _post(world, connection, "/v2/models/cross_entropy/infer", document)
            _check(world, key, reply, sum(cross_entropy(logits, targets).losses) / rows)
            _post(world, connection, f"{_region(key)}/unregister", {})
    os.unlink(FOLDER + key)


def _check(world: World, key: str, reply: Reply, wanted: float) -> None:
    if reply.status == 429:
        return world.record.refuse("429")
    with open(FOLDER + key, "rb") as file:
        file.seek(ROOM - 4)
        (got,) = struct.unpack("<f", file.read(4))
    if reply.status != 200 or abs(got - wanted) > 3e-7 * abs(wanted):
        raise Violation(f"in shared memory {got!r} instead of {wanted!r}, {reply.status}: {reply.body[:200]!r}")
    world.record.count("good")


def _fight(world: World, connection: Connection, rng: random.Random) -> None:
    """One move on an object that others use at the same time."""
    key = f"{SHM_PREFIX}shared{rng.randrange(SHARED)}"
    move = rng.randrange(5)
    if move == 0:
        _object(key, rng.choice([0, 1, 4096, ROOM, ROOM]))
    elif move == 1:
        offset, size = rng.choice([0, 1, 4096, 1 << 63]), rng.choice([ROOM, 4096, 1, 1 << 62])
        wanted = {"key": key, "offset": offset, "byte_size": size}
        _post(world, connection, f"{_region(key)}/register", wanted)
    elif move == 2 and rng.random() < 0.3:
        _post(world, connection, f"{_region(key)}/unregister", {})
    else:
        rows, classes = rng.choice([(8, 100), (64, 250), (1, 2)])
        offset = rng.choice([0, 1, 4095, ROOM - 8, 1 << 63, (1 << 64) - 4])
        outputs = {"loss": _place(key, offset, 4),
                   "grad": _place(key, rng.choice([0, offset]), rows * classes * 4)}
        document = _inference(_place(key, rng.choice([0, offset]), rows * classes * 4),
                              {"data": [0] * rows}, rows, classes, outputs)
        _post(world, connection, "/v2/models/cross_entropy/infer", document)


def fight_over_regions(world: World, rng: random.Random) -> None:
    with world.connect() as connection:
        for _ in range(20):
            _fight(world, connection, rng)


SHARED_MEMORY: tuple[Callable[[World, random.Random], None], ...] = (own_region, fight_over_regions)
