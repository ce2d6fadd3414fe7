"""What goes wrong, as exceptions.

Every one is a :class:`LossError` and one of Python's own:

========================  ==================  ====================================================
class                     is also a           for
========================  ==================  ====================================================
:class:`LossValueError`   ``ValueError``      shapes, ranges, names, targets out of bounds
:class:`LossTypeError`    ``TypeError``       dtypes, and arguments of the wrong type
:class:`LossMemoryError`  ``MemoryError``     no memory
:class:`DeadlineError`    ``TimeoutError``    the timeout of a client is over
:class:`AccessError`      ``PermissionError`` keys: none, a wrong one, or one without the right
:class:`ServerError`      ``ConnectionError`` a server that is not there, goes away or fails
========================  ==================  ====================================================

>>> import lossd, numpy
>>> try:
...     lossd.functional.cross_entropy(numpy.zeros((2, 3), "f4"), numpy.array([0, 7]))
... except ValueError as error:
...     print(error.code, error.pointer, error, sep=": ")
target_out_of_bounds: targets: targets[1] is 7, but there are 3 classes (0..2)
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ._losses import STATUSES


class LossError(Exception):
    """Something is wrong with a problem, or with where it is to be evaluated.

    ``str(error)`` is a sentence with the field, the value and the bound; ``code`` a slug such as
    ``"shape_mismatch"``; ``pointer`` the tensor or argument that it is about, or None; ``errors``
    all that is wrong as dictionaries of code, detail and pointer, this first; ``status`` and
    ``request_id`` of a server's reply, else None.
    """

    code: str = ""
    pointer: str | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None

    def __init__(self, detail: str, code: str = "", pointer: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.pointer = code, pointer
        self.errors: list[Mapping[str, Any]] = [{"code": code, "detail": detail, "pointer": pointer}]

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.code, self.pointer), self.__dict__


class LossValueError(LossError, ValueError):
    """A value, a shape or a name that is wrong."""


class LossTypeError(LossError, TypeError):
    """A dtype or an argument's type that is wrong."""


class LossMemoryError(LossError, MemoryError):
    """There is not enough memory."""


class DeadlineError(LossError, TimeoutError):
    """It took longer than the timeout."""


class AccessError(LossError, PermissionError):
    """The server wants another key."""


class ServerError(LossError, ConnectionError):
    """The server is not there, is going away, is full, or failed."""


_CLASSES: dict[str, type[LossError]] = {
    "wrong_type": LossTypeError,
    "dtype_mismatch": LossTypeError,
    "out_of_memory": LossMemoryError,
    "too_large_for_budget": LossMemoryError,
    "too_large_for_server": LossMemoryError,
    "deadline_exceeded": DeadlineError,
    "unauthorized": AccessError,
    "forbidden": AccessError,
    "rate_limited": ServerError,
    "queue_full": ServerError,
    "too_much_memory_in_flight": ServerError,
    "draining": ServerError,
    "internal_error": ServerError,
}


def make(detail: str, code: str, pointer: str | None = None) -> LossError:
    """The exception for a code."""
    return _CLASSES.get(code, LossValueError)(detail, code, pointer or None)


def from_struct(error: Any) -> LossError:
    """The exception for a ``struct loss_error``, with all that stand behind it."""
    parts = list(_chain(error))
    made = make(parts[0]["detail"], parts[0]["code"], parts[0]["pointer"])
    made.errors = parts
    return made


def _chain(error: Any) -> Iterable[Mapping[str, Any]]:
    while error is not None:
        yield {
            "code": STATUSES[error.status],
            "detail": error.detail.decode(errors="replace"),
            "pointer": error.field.decode(errors="replace") or None,
        }
        error = error.more.contents if error.more else None


def from_reply(status: int, document: Mapping[str, Any], request_id: str | None) -> LossError:
    """The exception for a problem document (RFC 9457), or for a status without one."""
    detail = document.get("detail") or f"the server answered with status {status}"
    made = make(detail, document.get("code", ""), document.get("pointer"))
    if not made.code and (status >= 500 or status == 429 or status < 400):
        made = ServerError(detail)
    made.status, made.request_id = status, document.get("request_id", request_id)
    made.errors = document.get("errors") or made.errors
    return made
