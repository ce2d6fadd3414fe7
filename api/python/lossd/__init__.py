"""Loss functions with PyTorch's meaning, exact to the last digits: in this process, or by a server.

>>> import lossd, numpy
>>> logits = numpy.array([[-0.7715, -0.6205, -0.2562]], "f4")
>>> float(lossd.functional.cross_entropy(logits, numpy.array([0])))
1.3447265625
>>> lossd.evaluate("cross_entropy", {"logits": logits, "targets": numpy.array([0])},
...                outputs=["loss", "grad"]).grad.round(4).tolist()
[[-0.7394..., 0.3030..., 0.4363...]]

- :mod:`lossd.functional`: the losses, with PyTorch's arguments
- :func:`lossd.evaluate`: any output of a loss by name, with totals that add exactly
- :class:`lossd.Client`, :class:`lossd.AsyncClient`: the same by a server
- :func:`lossd.connect`: one or the other, by a word; :func:`lossd.serve`: starts a server
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._local import LOCAL, Local, get_num_threads, release_memory, set_num_threads
from ._tables import TABLES as _TABLES
from . import functional
from .errors import (
    AccessError,
    DeadlineError,
    LossError,
    LossMemoryError,
    LossTypeError,
    LossValueError,
    ServerError,
)
from .results import Result, Totals, merge

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .client import Client
    from .serving import Server, program, serve

__version__: str = _TABLES["version"]

evaluate = LOCAL.evaluate
losses = LOCAL.losses


def connect(where: str = "local", **client: Any) -> Local | Client:
    """What evaluates: in this process for ``"local"``, else a :class:`Client` of that URL, with its
    parameters. Both have the same methods, and give the same bits.

    >>> import lossd, numpy
    >>> with lossd.connect("local") as losses:
    ...     float(losses.cross_entropy(numpy.zeros((2, 4), "f4"), numpy.array([0, 3])))
    1.3862943649291992
    """
    if where == "local" and not client:
        return LOCAL
    return __getattr__("Client")(where, **client)


#: What is imported when it is asked for: who evaluates in process does without HTTP.
_LATER = {
    "AsyncClient": "aio",
    "Client": "client",
    "Server": "serving",
    "program": "serving",
    "serve": "serving",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LATER])
