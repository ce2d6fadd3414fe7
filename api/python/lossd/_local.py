"""Evaluating in this process.

Each thread has an arena and remembers the problems that it has met, as structs in which the next
one of the same shapes and arguments needs only its addresses. libloss runs without Python's lock.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from ctypes import byref, c_char_p
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from . import _library, _tensors, errors
from ._interface import Interface, given, plain_arguments, warn
from ._library import call_run, library
from ._losses import DTYPE_NUMBER, DTYPE_SIZE, DTYPES, LOSSES, Loss, text_of
from ._methods import Methods
from ._tables import TABLES
from .results import Result, Totals, states_of

#: Outputs up to so many bytes are copied out of the thread's arena; larger ones keep theirs.
COPIED_BYTES = 1 << 16
#: Problems that a thread remembers.
REMEMBERED = 256
#: Memory that was given back and not taken again for twice so long goes back to the system.
AGE_SECONDS = 15.0
_NO_LIMIT = 1 << 62


# ---------------------------------------------------------------- threads and forks


def _threads_at_start() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Home:
    """What each thread has: its arena, and the problems that it has met."""

    __slots__ = ("arena", "met", "fast")

    def __init__(self) -> None:
        self.arena: _Arena | None = None
        self.met: dict[Any, _Prepared] = {}
        self.fast: dict[Loss, _Prepared] = {}


class _State(threading.local):
    def __init__(self) -> None:
        self.home: _Home | None = _Home()  # None while it is in use


class _Process:
    """What a process has; made anew in a child, whose parent may have held any of it."""

    def __init__(self, threads: int, generation: int) -> None:
        self.threads, self.generation = threads, generation
        self.budget = library.loss_budget_create(_NO_LIMIT)
        self.aged = time.monotonic()


_state = _State()
_process = _Process(_threads_at_start(), 0)


def _after_fork() -> None:
    """A team of OpenMP does not survive a fork, and waiting for it would never end: one thread."""
    global _state, _process
    _state, _process = _State(), _Process(1, _process.generation + 1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def set_num_threads(n: int) -> None:
    """How many threads an evaluation may have in this process: the cores that it may run on, or
    ``OMP_NUM_THREADS``, unless set. Results do not depend on it.

    Raises ValueError unless n is 1 or more, RuntimeError for more than 1 in a forked process: its
    parent's threads are not there, and OpenMP would wait for them. Processes that are spawned may
    have as many as they like.
    """
    if n < 1:
        raise ValueError(f"n is {n}, but must be 1 or more")
    if n > 1 and _process.generation > 0:
        raise RuntimeError("a forked process has one thread; start it by spawn for more")
    _process.threads = int(n)


def get_num_threads() -> int:
    """How many threads an evaluation may have in this process."""
    return _process.threads


def release_memory() -> None:
    """Gives back to the system what is kept for the next evaluation of large tensors."""
    library.loss_budget_trim(_process.budget)


def _age() -> None:
    now = time.monotonic()
    if now - _process.aged > AGE_SECONDS:
        _process.aged = now
        library.loss_budget_age(_process.budget)


class _Arena:
    """Memory of libloss, given back with the last array that lies in it."""

    def __init__(self) -> None:
        self.generation = _process.generation
        self.handle = library.loss_arena_create(_process.budget)
        if not self.handle:
            raise errors.make("an arena could not be made", "out_of_memory")

    def __del__(self, library: Any = library) -> None:
        # What a parent made is left as the fork found it: perhaps locked.
        if getattr(self, "handle", None) and _process is not None and self.generation == _process.generation:
            library.loss_arena_destroy(self.handle)


def _take() -> _Home:
    """This thread's home, for one evaluation, which puts it back. What runs inside of that (the
    handler of a signal, a warning's hook, a finalizer) and evaluates, too, has one of its own."""
    home, _state.home = _state.home, None
    return home or _Home()


def _put(home: _Home) -> None:
    _state.home = home


def _arena(home: _Home) -> _Arena:
    if home.arena is None:
        home.arena = _Arena()
    return home.arena


# ---------------------------------------------------------------- problems


def _handle(loss: Loss) -> int:
    name = loss.name.encode()
    return library.loss_find(name, len(name))


def _value(value: Any) -> _library.Value:
    text = text_of(value).encode()
    if isinstance(value, bool):
        return _library.Value(type=_library.VALUE_BOOLEAN, boolean=value, text=text)
    if isinstance(value, int):
        fits = -(2**63) <= value < 2**63
        return _library.Value(
            type=_library.VALUE_INTEGER,
            integer_overflow=not fits,
            integer=value if fits else 0,
            number=float(value) if fits else 0.0,
            text=text,
        )
    if isinstance(value, float):
        return _library.Value(type=_library.VALUE_NUMBER, number=value, text=text)
    if isinstance(value, str):
        return _library.Value(type=_library.VALUE_STRING, text=text)
    return _library.Value(type=_library.VALUE_OTHER, text=text)


_addressof, _ndarray = ctypes.addressof, np.ndarray
_from_buffer: Callable[[Any], Any] = ctypes.c_char.from_buffer


class _NumpySlot:
    """An array of a problem that was met before."""

    __slots__ = ("dtype", "shape", "tensor")

    def __init__(self, value: Any, tensor: _library.Tensor) -> None:
        self.dtype, self.shape, self.tensor = value.dtype, value.shape, tensor

    def point(self, value: Any) -> bool:
        """Takes the address of an array that is as that one was; False if it is not."""
        if type(value) is not _ndarray or value.dtype is not self.dtype or value.shape != self.shape:
            return False
        try:
            self.tensor.data = _addressof(_from_buffer(value))
        except (TypeError, ValueError, BufferError):
            if not value.flags.c_contiguous:
                return False
            self.tensor.data = value.__array_interface__["data"][0]
        return True


class _TorchSlot:
    """The same of a tensor of PyTorch. One that needs a gradient is another way's business."""

    __slots__ = ("kind", "dtype", "shape", "tensor")

    def __init__(self, value: Any, tensor: _library.Tensor) -> None:
        self.kind, self.dtype, self.shape, self.tensor = type(value), value.dtype, value.shape, tensor

    def point(self, value: Any) -> bool:
        if (
            type(value) is not self.kind
            or value.dtype is not self.dtype
            or value.shape != self.shape
            or value.requires_grad
            or not value.is_contiguous()
            or not value.is_cpu
            or value.is_neg()
        ):
            return False
        self.tensor.data = value.data_ptr()
        return True


def _slot(value: Any, tensor: _library.Tensor) -> _NumpySlot | _TorchSlot | None:
    """None for what has no fast way."""
    if type(value) is np.ndarray:
        return _NumpySlot(value, tensor)
    return _TorchSlot(value, tensor) if _tensors.is_torch(value) else None


class _Prepared:
    """A problem as a ``struct loss_call``, but for where its tensors are."""

    def __init__(
        self, loss: Loss, views: Mapping[str, _tensors.View], outputs: tuple[str, ...], values: Mapping[str, Any]
    ) -> None:
        self.loss = loss
        self.large = sum(view.nbytes for view in views.values()) > COPIED_BYTES
        self.tensors = {name: _tensor_struct(view) for name, view in views.items()}
        pointers = [
            ctypes.pointer(self.tensors[name]) if name in self.tensors else None for name in loss.tensors
        ]
        self._pointers = (ctypes.POINTER(_library.Tensor) * len(pointers))(
            *(p or ctypes.POINTER(_library.Tensor)() for p in pointers)
        )
        arguments = [
            _value(values[name]) if values.get(name) is not None else _library.Value()
            for name in loss.arguments
        ]
        self._values = (_library.Value * max(len(arguments), 1))(*arguments)
        self._outputs = (c_char_p * max(len(outputs), 1))(*(name.encode() for name in outputs))
        self.call = _library.Call(
            size=ctypes.sizeof(_library.Call),
            loss=_handle(loss),
            tensors=self._pointers,
            arguments=self._values,
            outputs=self._outputs,
            n_outputs=len(outputs),
        )
        self.reference = byref(self.call)
        self.result = self.call.result
        self.error = self.call.error
        self.outputs: list[_Room] = []
        # Of the fast way of functions only: see function().
        self.arguments: tuple = ()
        self.slots: tuple[_NumpySlot | _TorchSlot | None, ...] = ()
        self.number: Any = None

    def run(self, arena: _Arena) -> None:
        self.call.arena = arena.handle
        self.call.threads = _process.threads
        if call_run(self.reference) != 0:
            raise errors.from_struct(self.error)

    def point(self, tensors: tuple, arguments: tuple) -> bool:
        """Takes the addresses of tensors that are as those were, for the same arguments; False where
        one is not."""
        try:
            if arguments != self.arguments:
                return False
        except ValueError:  # arrays do not compare
            return False
        for slot, value in zip(self.slots, tensors):
            if slot is None:
                if value is not None:
                    return False
            elif not slot.point(value):
                return False
        return True


def _tensor_struct(view: _tensors.View) -> _library.Tensor:
    if len(view.shape) > TABLES["max_rank"]:
        return _library.Tensor(dtype=DTYPE_NUMBER[view.dtype], rank=len(view.shape))
    count = 1
    for n in view.shape:
        count *= n
    return _library.Tensor(
        dtype=DTYPE_NUMBER[view.dtype],
        rank=len(view.shape),
        shape=(ctypes.c_size_t * TABLES["max_rank"])(*view.shape),
        count=count,
    )


def _prepared(
    home: _Home, loss: Loss, views: Mapping[str, _tensors.View], outputs: tuple[str, ...], values: Mapping[str, Any]
) -> _Prepared:
    """The problem with these tensors in it, most often one that was met before."""
    key: Any = (
        loss.name,
        outputs,
        tuple(map(values.get, loss.arguments)),
        tuple((name, view.dtype, view.shape) for name, view in views.items()),
    )
    try:
        prepared = home.met.get(key)
    except TypeError:  # an argument that is a list, or the like, which will be told
        prepared, key = _Prepared(loss, views, outputs, values), None
    if prepared is None:
        prepared = _Prepared(loss, views, outputs, values)
        if len(home.met) >= REMEMBERED:
            home.met.clear()
            home.fast.clear()
        if key is not None:
            home.met[key] = prepared
    for name, view in views.items():
        prepared.tensors[name].data = view.address
    return prepared


# ---------------------------------------------------------------- results


def _shape_of(tensor: _library.Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape[: tensor.rank])


class _Room:
    """Where an output of a problem is told."""

    __slots__ = ("name", "tensor", "dtype", "size", "count", "shape")

    def __init__(self, output: _library.Output) -> None:
        self.name, self.tensor = output.name.decode(), output.tensor
        self.dtype = DTYPES[self.tensor.dtype]
        self.size = DTYPE_SIZE[self.dtype]
        self.count = -1

    def look(self) -> int:
        """Its bytes this time: how many groups there are, the tensors say."""
        if self.tensor.count != self.count:
            self.count, self.shape = self.tensor.count, _shape_of(self.tensor)
        return self.count * self.size


def _rooms(prepared: _Prepared) -> list[_Room]:
    if not prepared.outputs:
        prepared.outputs = [_Room(o) for o in prepared.result.outputs[: prepared.result.n_outputs]]
    return prepared.outputs


def _collect(home: _Home, prepared: _Prepared, kind: _tensors.Kind) -> dict[str, Any]:
    """The outputs: small ones copied, large ones where they are, and the arena theirs."""
    rooms = _rooms(prepared)
    sizes = [room.look() for room in rooms]
    large = max(sizes, default=0) > COPIED_BYTES
    owner = _arena(home)
    found = {}
    for room, size in zip(rooms, sizes):
        data = room.tensor.data
        if size > COPIED_BYTES:
            array = _tensors.over(owner, data, room.dtype, room.shape)
        else:
            array = _tensors.copied(data, room.dtype, room.shape)
        found[room.name] = kind.answer(array, room.dtype)
    if large:
        home.arena = None
        _age()
    elif prepared.large:
        library.loss_arena_reset(owner.handle)
    return found


def _totals(result: _library.Result) -> Totals | None:
    if not result.has_totals:
        return None
    totals = result.totals
    return Totals(
        totals.loss_sum,
        totals.denominator,
        totals.rows,
        totals.counted,
        totals.ignored,
        totals.state.decode() if totals.state else None,
    )


def _warnings(result: _library.Result) -> tuple[str, ...]:
    return tuple(text.decode() for text in result.warnings[: result.n_warnings])


def _unknown_field(loss: Loss, name: str, is_tensor: bool) -> errors.LossError:
    """What libloss says of a name that the loss does not have."""
    arena, error = _Arena(), _library.Error()
    problem = library.loss_problem_create(_handle(loss), arena.handle)
    if is_tensor:
        library.loss_problem_set(problem, name.encode(), None, byref(error))
    else:
        library.loss_problem_set_text(problem, name.encode(), None, byref(error))
    return errors.from_struct(error)


def _check_names(loss: Loss, tensors: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for name in tensors:
        if name not in loss.tensors:
            raise _unknown_field(loss, name, True)
    for name in values:
        if name not in loss.arguments:
            raise _unknown_field(loss, name, False)


def _views(loss: Loss, tensors: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, _tensors.View]:
    _check_names(loss, tensors, arguments)
    return {name: _tensors.view(t, name) for name, t in tensors.items() if t is not None}


class Local(Interface, Methods):
    """Evaluates in this process: what ``lossd.connect("local")`` gives.

    It has the methods of :class:`lossd.Client`, and nothing to close. Any thread may call it; tensors
    must not change while they are evaluated.
    """

    def _loss(self, name: str) -> Loss:
        if name in LOSSES:
            return LOSSES[name]
        hint = ctypes.create_string_buffer(512)
        given = str(name).encode()
        library.loss_hint_loss(given, len(given), hint, len(hint))
        raise errors.make(f'there is no loss "{name}"; {hint.value.decode()}', "unknown_loss")

    def _outputs(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        views = _views(loss, tensors, arguments)
        home = _take()
        try:
            prepared = _prepared(home, loss, views, outputs, arguments)
            prepared.run(_arena(home))
            if prepared.result.n_warnings:
                warn(_warnings(prepared.result))
            return _collect(home, prepared, views[loss.input].kind)
        finally:
            _put(home)

    def _evaluate(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Result:
        start = time.perf_counter()
        views = _views(loss, tensors, arguments)
        home = _take()
        try:
            prepared = _prepared(home, loss, views, outputs, arguments)
            ready = time.perf_counter()
            prepared.run(_arena(home))
            done = time.perf_counter()
            totals, warnings = _totals(prepared.result), _warnings(prepared.result)
            found = _collect(home, prepared, views[loss.input].kind)
        finally:
            _put(home)
        metrics = {
            "compute_seconds": done - ready,
            "total_seconds": time.perf_counter() - start,
            "threads": _process.threads,
            "isa": library.loss_isa().decode(),
        }
        return Result(found, totals, metrics, warnings)

    def merge(self, totals: Sequence[Any]) -> Result:
        """What totals of parts come to: see :func:`lossd.merge`."""
        states = states_of(totals)
        arena, result, error = _Arena(), _library.Result(), _library.Error()
        texts = (c_char_p * max(len(states), 1))(*(state.encode() for state in states))
        status = library.loss_totals_merge(texts, len(states), arena.handle, byref(result), byref(error))
        if status != 0:
            raise errors.from_struct(error)
        found = {}
        for output in result.outputs[: result.n_outputs]:
            tensor = output.tensor
            dtype = DTYPES[tensor.dtype]
            array = _tensors.copied(tensor.data, dtype, _shape_of(tensor))
            found[output.name.decode()] = _tensors.NUMPY.answer(array, dtype)
        return Result(found, _totals(result), {}, _warnings(result))

    def losses(self) -> Mapping[str, Any]:
        """The table of losses: of each name the tensors, arguments and outputs."""
        return {name: loss.row for name, loss in LOSSES.items()}

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


LOCAL = Local()


def function(loss: Loss, tensors: tuple, arguments: tuple) -> Any:
    """What the function of a loss gives. Tensors of the shapes of the call before, of which a number
    comes, need their addresses only."""
    home = _take()
    try:
        prepared = home.fast.get(loss)
        if prepared is not None and prepared.point(tensors, arguments):
            call = prepared.call
            call.threads = _process.threads
            call.arena = (home.arena or _arena(home)).handle
            if call_run(prepared.reference) == 0 and prepared.result.n_warnings == 0:
                number = prepared.number(call.scalar)
                if prepared.large:
                    library.loss_arena_reset(call.arena)
                return number
    finally:
        _put(home)
    answer = LOCAL._function(loss, tensors, arguments)
    _remember(loss, tensors, arguments, answer)
    return answer


def _remember(loss: Loss, tensors: tuple, arguments: tuple, answer: Any) -> None:
    """For the fast way: a number of tensors, none of which was converted."""
    if getattr(answer, "shape", None) != () or getattr(answer, "requires_grad", False):
        return
    named = given(loss.function_tensors, tensors)
    views = {name: _tensors.view(t, name) for name, t in named.items()}
    home = _take()
    prepared = _prepared(home, loss, views, (loss.output,), plain_arguments(loss, arguments))
    slots = {
        name: _slot(view.owner, prepared.tensors[name]) if view.owner is named[name] else None
        for name, view in views.items()
    }
    _put(home)
    room = prepared.outputs[0]
    if None in slots.values() or room.dtype not in ("F64", "F32"):
        return
    prepared.arguments = arguments
    prepared.slots = tuple(map(slots.get, loss.function_tensors))
    prepared.number = views[loss.input].kind.number(room.dtype)
    home.fast[loss] = prepared
