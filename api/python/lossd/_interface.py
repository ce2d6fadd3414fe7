"""What evaluating in process and by a server have in common."""

from __future__ import annotations

import functools
import math
import sys
import warnings
from typing import Any, Mapping, Sequence

from . import _autograd, _tensors
from ._losses import Loss, plain
from .results import Result


def named_outputs(loss: Loss, outputs: Sequence[str] | str | None) -> tuple[str, ...]:
    """The outputs that are asked for."""
    if outputs is None:
        return (loss.output,)
    return (outputs,) if isinstance(outputs, str) else tuple(outputs)


def with_exact_totals(loss: Loss, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """evaluate()'s arguments: totals have a state unless somebody says otherwise."""
    exact = {"totals": "exact"} if "totals" in loss.arguments else {}
    return {**exact, **arguments}


def given(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Those of a function's parameters that are not None."""
    return {name: value for name, value in zip(names, values) if value is not None}


@functools.lru_cache(maxsize=256)
def _plain_arguments(loss: Loss, arguments: tuple) -> dict[str, Any]:
    values = {k: plain(loss, k, v) for k, v in given(loss.function_arguments, arguments).items()}
    return {k: v for k, v in values.items() if v != loss.defaults[k]}


def plain_arguments(loss: Loss, arguments: tuple) -> Mapping[str, Any]:
    """A function's arguments by name, those that are not their defaults. Not to be changed."""
    try:
        return _plain_arguments(loss, arguments)
    except TypeError:  # a list, or the like: it will be told
        return _plain_arguments.__wrapped__(loss, arguments)


def wants_gradient(tensors: Mapping[str, Any]) -> bool:
    return any(_tensors.is_torch(t) and t.requires_grad for t in tensors.values())


def refuse_gradients(tensors: Mapping[str, Any]) -> None:
    """What can not be a node of a graph says so."""
    if wants_gradient(tensors):
        raise TypeError("an AsyncClient makes no nodes of a graph: detach() the tensors, and ask for grad")


def over_dim(
    loss: Loss, tensors: tuple, arguments: tuple, dim: int | None, dtype: Any
) -> tuple[tuple, tuple, tuple[int, ...]]:
    """PyTorch's dim and dtype, as classes on axis 1 or the last, and the shape of what is to come.

    Elements stay where they are: the axes before the classes become one.
    """
    values = tensors[0]
    if dtype is not None:
        values = values.to(dtype) if _tensors.is_torch(values) else values.astype(dtype)
    shape = tuple(values.shape)
    rank = len(shape)
    if dim is None:
        warnings.warn("Implicit dimension choice is deprecated; give dim", stacklevel=3)
        dim = 0 if rank in (0, 1, 3) else 1
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise IndexError(f"dim is {dim}, but must be {-max(rank, 1)} to {max(rank, 1) - 1}")
    axis = dim % rank if rank else 0
    if rank == 0:
        values = values.reshape(1)
    elif axis not in (rank - 1, 1):
        values = values.reshape(math.prod(shape[:axis]), *shape[axis:])
    at = loss.function_arguments.index("class_axis")
    class_axis = -1 if axis >= rank - 1 else 1
    return (values, *tensors[1:]), (*arguments[:at], class_axis, *arguments[at + 1 :]), shape


def warn(texts: Sequence[str]) -> None:
    """Warnings about the call of a function, as if its caller had made them."""
    if not texts:
        return
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        frame, depth = frame.f_back, depth + 1
    for text in texts:
        warnings.warn(text, stacklevel=depth)


def refuse(loss: Loss, **values: Any) -> None:
    """Parameters that PyTorch's function has and ours does not: None is all that they may be."""
    for name, value in values.items():
        if value is not None:
            raise TypeError(f"{loss.name} has no {name} here; leave it out")


class Interface:
    """evaluate, and what a loss's own function is made of; ``_evaluate`` is whose it is."""

    def _evaluate(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Result:
        raise NotImplementedError

    def _outputs(
        self, loss: Loss, tensors: Mapping[str, Any], outputs: tuple[str, ...], arguments: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The outputs alone, for a function, whose caller is warned."""
        result = self._evaluate(loss, tensors, outputs, arguments)
        warn(result.warnings)
        return result.outputs

    def _loss(self, name: str) -> Loss:
        raise NotImplementedError

    def evaluate(
        self,
        loss: str,
        tensors: Mapping[str, Any],
        outputs: Sequence[str] | str | None = None,
        **arguments: Any,
    ) -> Result:
        """Evaluates a loss by name, with any of its outputs.

        ``tensors`` are those of the table of losses (``lossd.losses()`` has it), None for absent;
        ``outputs`` names what is to be computed, the loss's first output unless given;
        ``arguments`` are the loss's. Totals have a state unless ``totals="plain"`` is given.

        >>> import lossd, numpy
        >>> result = lossd.evaluate("cross_entropy", {"logits": numpy.zeros((2, 4), "f4"),
        ...                         "targets": numpy.array([0, 3])}, outputs=["loss", "grad"])
        >>> float(result.loss), result.grad.shape, result.totals.rows
        (1.3862943649291992, (2, 4), 2)

        Raises :class:`lossd.LossError` with ``code`` and ``pointer``; it is a ValueError for shapes,
        ranges, names and targets, a TypeError for dtypes and arguments of a wrong type.
        """
        row = self._loss(loss)
        plain_arguments = {k: plain(row, k, v) for k, v in with_exact_totals(row, arguments).items()}
        return self._evaluate(row, tensors, named_outputs(row, outputs), plain_arguments)

    def _function(self, loss: Loss, tensors: tuple, arguments: tuple) -> Any:
        """What the function of a loss gives: its first output."""
        named = given(loss.function_tensors, tensors)
        values = plain_arguments(loss, arguments)
        if wants_gradient(named):
            return _autograd.apply(self._outputs, loss, named, values)
        return self._outputs(loss, named, (loss.output,), values)[loss.output]
