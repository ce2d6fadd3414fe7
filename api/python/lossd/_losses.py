"""The table of losses as objects, and what values become on their way to an argument."""

from __future__ import annotations

import operator
from typing import Any, Callable, Mapping

from ._tables import TABLES

DTYPES: list[str] = [dtype["name"] for dtype in TABLES["dtypes"]]
DTYPE_NUMBER: dict[str, int] = {name: i for i, name in enumerate(DTYPES)}
DTYPE_SIZE: dict[str, int] = {dtype["name"]: dtype["size"] for dtype in TABLES["dtypes"]}
STATUSES: list[str] = TABLES["statuses"]


class Loss:
    """A row of the table: names of tensors, arguments and outputs, and what is said of each."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self.name: str = row["name"]
        self.has_totals: bool = row.get("has_totals", True)
        self.element_wise: bool = row.get("element_wise", False)
        self.tensors: dict[str, Mapping] = {t["name"]: t for t in row["tensors"]}
        self.arguments: dict[str, Mapping] = {a["name"]: a for a in row["arguments"]}
        self.outputs: dict[str, Mapping] = {o["name"]: o for o in row["outputs"]}
        self.input: str = row["tensors"][0]["name"]
        self.output: str = row["outputs"][0]["name"]
        #: Tensors and arguments of the function of that name, in the table's order.
        self.function_tensors = tuple(t["name"] for t in row["tensors"] if not t.get("aside"))
        self.function_arguments = tuple(self.arguments)
        self.defaults = {a["name"]: a["default"] for a in row["arguments"]}

    def __repr__(self) -> str:
        return f"<loss {self.name}: {', '.join(self.tensors)}>"


LOSSES: dict[str, Loss] = {row["name"]: Loss(row) for row in TABLES["losses"]}


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)


def _boolean(value: Any) -> Any:
    return bool(value) if value in (0, 1) else value


#: Values that are equal mean the same, as everywhere in Python: 1, 1.0 and True.
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"boolean": _boolean, "integer": _integer, "number": float, "choice": str}


def plain(loss: Loss, name: str, value: Any) -> Any:
    """A value as a bool, int, float or str of the argument's type; what can not be is left as it is."""
    if value is None or name not in loss.arguments:
        return value
    kind = loss.arguments[name]["type"]
    if isinstance(value, str) or kind == "choice":
        return value
    try:
        if not isinstance(value, (bool, int, float)) and hasattr(value, "item"):
            value = value.item()
        return _CONVERSIONS.get(kind, str)(value)
    except (TypeError, ValueError, OverflowError):
        return value


def text_of(value: Any) -> str:
    """A value as it stands in a query string, and as messages show it: shortest digits, 2 for 2.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    return value if isinstance(value, str) else str(value)
