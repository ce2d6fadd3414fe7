"""What an evaluation comes to: named arrays, totals, metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, cast

from . import errors


@dataclass(frozen=True)
class Totals:
    """What the rows of an evaluation add up to. Totals of parts add with ``+``, exactly.

    ``loss_sum`` over ``denominator`` is the mean; ``rows`` are those there were, of which
    ``counted`` and ``ignored`` ones. ``state`` is all that the reduction has come to, without any
    rounding, as text; None where ``totals="plain"`` was asked for. Immutable; it can be pickled.

    >>> import lossd, numpy
    >>> x, y = numpy.eye(6, 4, dtype="f4"), numpy.arange(6) % 4
    >>> whole = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}).totals
    >>> parts = [lossd.evaluate("cross_entropy", {"logits": x[i:i + 2], "targets": y[i:i + 2]}).totals
    ...          for i in (0, 2, 4)]
    >>> sum(parts) == whole
    True
    """

    loss_sum: float
    denominator: float
    rows: int
    counted: int
    ignored: int
    state: str | None = None

    def __add__(self, other: Any) -> "Totals":
        """Of both together, as one evaluation of all their rows has them. Raises LossValueError
        where they are of different losses or arguments, LossTypeError where one has no state."""
        if not isinstance(other, Totals):
            return NotImplemented
        return cast(Totals, merge([self, other]).totals)

    def __radd__(self, other: Any) -> "Totals":
        """0 + totals: so that sum() works."""
        return self if other == 0 else NotImplemented


@dataclass(frozen=True, eq=False)
class Result(Mapping[str, Any]):
    """Outputs by name, in the order asked for: ``result["grad"]``, or ``result.grad``.

    They are of the library that the loss's first tensor is of. ``totals`` is None for losses that
    have none; ``metrics`` says where the time went (seconds), on how many threads, with which
    instruction set; ``warnings`` are sentences; ``request_id`` is that of a server's reply.

    >>> import lossd, numpy
    >>> result = lossd.evaluate("cross_entropy", {"logits": numpy.zeros((2, 4), "f4"),
    ...                         "targets": numpy.array([0, 3])}, outputs=["loss", "accuracy"])
    >>> list(result), float(result.accuracy), result.totals.rows
    (['loss', 'accuracy'], 0.5, 2)
    """

    outputs: Mapping[str, Any]
    totals: Totals | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    request_id: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self.outputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.outputs)

    def __len__(self) -> int:
        return len(self.outputs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "outputs" or name not in self.outputs:
            raise AttributeError(f"there is no {name} in this result")
        return self.outputs[name]


def states_of(totals: Any) -> list[str]:
    """The states of a list of totals, of results, or of states."""
    states = []
    for i, one in enumerate(totals):
        one = getattr(one, "totals", one)
        state = one if isinstance(one, str) else getattr(one, "state", None)
        if state is None:
            raise errors.make(
                f'totals[{i}] has no state: evaluate with totals="exact"', "wrong_type", "totals"
            )
        states.append(state)
    return states


def merge(totals: Any) -> Result:
    """What totals of parts come to: a :class:`Result` with ``loss`` (the mean of the whole), and
    ``accuracy``, ``perplexity``, ``ece`` and group outputs where all have what they are made from.

    Takes a list of totals, of results, or of states. Raises LossTypeError at one without a state,
    or a damaged one, LossValueError where they do not fit together, or there are none.
    """
    from ._local import LOCAL

    return LOCAL.merge(totals)
