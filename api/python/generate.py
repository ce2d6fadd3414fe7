"""Writes what of the package follows from the tables of libloss.

    generate.py TABLES.json FOLDER      _tables.py, functional.py and _methods.py, in FOLDER

TABLES.json is what tables.c prints. A loss that is added to the table is added here by itself: its
function takes the first tensor as `input`, the other tensors that it must have, `weight` if it has
one, and its arguments as far as those that are ours alone, in the table's order, as PyTorch's
functions have them; all else by name.
"""

from __future__ import annotations

import json
import pprint
import sys
import textwrap
from pathlib import Path
from typing import Any, Iterable

#: Functions of PyTorch (of torchvision the focal loss) whose parameters stand in another order, or
#: which have some that we do not have.
SIGNATURES = {
    "binary_cross_entropy_with_logits": "input target weight size_average reduce reduction pos_weight",
    "gaussian_nll_loss": "input target var full eps reduction",
    "huber_loss": "input target reduction delta weight",
    "l1_loss": "input target size_average reduce reduction weight",
    "log_softmax": "input dim _stacklevel dtype",
    "mse_loss": "input target size_average reduce reduction weight",
    "multi_margin_loss": "input target p margin weight size_average reduce reduction",
    "multilabel_soft_margin_loss": "input target weight size_average reduce reduction",
    "poisson_nll_loss": "input target log_input full size_average eps reduce reduction",
    "sigmoid_focal_loss": "inputs targets alpha gamma reduction",
    "smooth_l1_loss": "input target size_average reduce reduction beta",
    "softmax": "input dim _stacklevel dtype",
}
#: What PyTorch's softmaxes have instead of class_axis.
OVER_DIM = {"dim": "int | None = None", "_stacklevel": "int = 3", "dtype": "Any = None"}
#: From these on arguments are by name: PyTorch's functions have none of them.
OURS = {"denominator", "empty_mean", "totals", "class_axis", "grad_dtype"}
TYPES = {"boolean": "bool", "integer": "int", "number": "float"}
HEAD = '"""{title}\n\nGenerated from the tables of libloss: do not edit.\n"""\n\nfrom __future__ import annotations\n'


FLOATS = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
INTEGERS = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"}


def wrapped(text: str, indent: str, hang: str = "") -> str:
    return textwrap.fill(text, 98, initial_indent=indent, subsequent_indent=indent + hang)


def kinds_of(dtypes: list[str]) -> str:
    """The dtypes that a tensor may have, in words."""
    left, words = set(dtypes), []
    for names, word in ((FLOATS, "floats"), (INTEGERS, "integers")):
        if names <= left:
            words.append(word)
            left -= names
    return " or ".join(words + [name for name in dtypes if name in left])


class Function:
    """The function of a loss: its parameters, each with what stands for it in the table."""

    def __init__(self, loss: dict[str, Any]) -> None:
        self.loss = loss
        self.tensors = [t for t in loss["tensors"] if not t["aside"]]
        self.over_dim = "dim" in SIGNATURES.get(loss["name"], "").split()
        self.arguments = [a for a in loss["arguments"] if not (self.over_dim and a["name"] == "class_axis")]
        self.rows = {t["name"]: t for t in self.tensors} | {a["name"]: a for a in self.arguments}
        self.positional = SIGNATURES.get(loss["name"], "").split() or list(self.usual_order())
        self.names = {self.ours(name): name for name in self.positional if self.ours(name)}
        self.by_name = [name for name in self.rows if name not in self.names]
        self.refused = [n for n in self.positional if not self.ours(n) and n not in OVER_DIM]

    def usual_order(self) -> Iterable[str]:
        yield "input"
        for tensor in self.tensors[1:]:
            if tensor["required"] or tensor["name"] == "weight":
                yield "target" if tensor["name"] == "targets" else tensor["name"]
        for argument in self.arguments:
            if argument["name"] in OURS:
                return
            yield argument["name"]

    def ours(self, name: str) -> str:
        """The table's name of a parameter; "" where it has none."""
        if name in ("input", "inputs"):
            return self.tensors[0]["name"]
        name = {"target": "targets"}.get(name, name)
        return name if name in self.rows else ""

    # ------------------------------------------------------------ the signature

    def parameter(self, row: dict[str, Any], name: str, first: bool) -> str:
        if "default" not in row:
            if first:
                return f"{name}: Array"
            return f"{name}: Tensor" if row["required"] else f"{name}: Tensor | None = None"
        choices = ", ".join(json.dumps(choice) for choice in row["choices"])
        kind = f"Literal[{choices}]" if choices else TYPES[row["type"]]
        if row["default"] is None:
            return f"{name}: {kind} | None = None"
        return f"{name}: {kind} = {row['default']!r}"

    def parameters(self) -> list[str]:
        listed = []
        for i, name in enumerate(self.positional):
            if name in OVER_DIM and self.over_dim:
                listed.append(f"{name}: {OVER_DIM[name]}")
            elif name in self.refused:
                listed.append(f"{name}: None = None")
            else:
                listed.append(self.parameter(self.rows[self.ours(name)], name, i == 0))
        by_name = [self.parameter(self.rows[name], name, False) for name in self.by_name]
        return listed + (["*"] if by_name else []) + by_name

    # ------------------------------------------------------------ the docstring

    def described(self) -> Iterable[str]:
        for name, row in self.rows.items():
            shape = f"shape {row['shape']}; " if "shape" in row else ""
            kind = f"{kinds_of(row['dtypes'])}. " if "dtypes" in row else ""
            bounds = f"{row['range']}. " if row.get("range") else ""
            yield f"{self.names.get(name, name)}: {shape}{kind}{bounds}{row['help']}"

    def docstring(self, indent: str) -> str:
        loss, output = self.loss, self.loss["outputs"][0]
        lines = [wrapped(loss["summary"], indent).lstrip(), "", f"{indent}Parameters:"]
        lines += [wrapped(text, indent + "    ", "    ") for text in self.described()]
        if self.over_dim:
            lines.append(f"{indent}    dim: the axis of the classes. dtype: what the input becomes first.")
        returned = f"Returns {output['name']}, {output['dtype']}, of shape {output['shape']}: {output['help']}"
        lines += ["", wrapped(returned, indent)]
        raised = (
            "Raises LossValueError for shapes, ranges and targets out of bounds, LossTypeError for dtypes "
            "and arguments of a wrong type."
        )
        lines += ["", wrapped(raised, indent), indent]
        return '"""' + "\n".join(lines).replace("\\", "\\\\") + '"""'

    # ------------------------------------------------------------ all of it

    def values(self, names: Iterable[str]) -> str:
        inner = ", ".join(self.names.get(name, name) for name in names)
        return f"({inner},)"

    def body(self, call: str, awaited: str) -> list[str]:
        tensors = self.values(t["name"] for t in self.tensors)
        arguments = [a["name"] for a in self.loss["arguments"]]
        loss = f'LOSSES["{self.loss["name"]}"]'
        lines = [f"refuse({loss}, {', '.join(f'{n}={n}' for n in self.refused)})"] if self.refused else []
        if not self.over_dim:
            return lines + [f"return {awaited}{call}({loss}, {tensors}, {self.values(arguments)})"]
        inner = ", ".join("None" if name == "class_axis" else name for name in arguments)
        return lines + [
            f"tensors, arguments, shape = over_dim({loss}, {tensors}, ({inner},), dim, dtype)",
            f"answer = {awaited}{call}({loss}, tensors, arguments)",
            "return answer.reshape(shape)",
        ]

    def text(self, call: str, indent: str = "", this: str = "", prefix: str = "") -> str:
        inner = indent + "    "
        parameters = ([this] if this else []) + self.parameters()
        awaited = "await " if prefix else ""
        lines = [f"{indent}{prefix}def {self.loss['name']}("]
        lines += [f"{inner}{parameter}," for parameter in parameters]
        lines += [f"{indent}) -> Array:", inner + self.docstring(inner)]
        lines += [inner + line for line in self.body(call, awaited)]
        return "\n".join(lines) + "\n"


def functional(functions: list[Function]) -> str:
    title = (
        "The losses as functions, with PyTorch's names, order and defaults, and ours by name.\n\n"
        "They take tensors of NumPy, PyTorch and JAX, and whatever has __dlpack__, __array_interface__ or\n"
        "the buffer protocol, and answer in kind. A tensor of PyTorch that requires a gradient makes a\n"
        "node of the graph.\n\n"
        ">>> import numpy\n>>> from lossd.functional import cross_entropy\n"
        '>>> float(cross_entropy(numpy.zeros((2, 4), "f4"), numpy.array([0, 3])))\n1.3862943649291992'
    )
    head = HEAD.format(title=title) + (
        "\nfrom typing import Any, Literal, TypeVar\n\nfrom ._interface import over_dim, refuse\n"
        "from ._local import function as _function\nfrom ._losses import LOSSES\n\n"
        'Array = TypeVar("Array")\nTensor = Any\n\n'
    )
    names = [f.loss["name"] for f in functions]
    return head + f"__all__ = {names!r}\n\n\n" + "\n\n".join(f.text("_function") for f in functions)


def methods(functions: list[Function]) -> str:
    head = HEAD.format(title="The losses as methods of whatever evaluates.") + (
        "\nfrom typing import Any, Literal, TypeVar\n\nfrom ._interface import over_dim, refuse\n"
        "from ._losses import LOSSES, Loss\n\n"
        'Array = TypeVar("Array")\nTensor = Any\n\n\n'
    )
    plain = (
        'class Methods:\n    """The functions of lossd.functional."""\n\n'
        "    def _function(self, loss: Loss, tensors: tuple, arguments: tuple) -> Any:\n"
        "        raise NotImplementedError\n\n"
    )
    later = (
        'class AsyncMethods:\n    """The functions of lossd.functional, to be awaited."""\n\n'
        "    async def _function(self, loss: Loss, tensors: tuple, arguments: tuple) -> Any:\n"
        "        raise NotImplementedError\n\n"
    )
    plain += "\n".join(f.text("self._function", "    ", "self") for f in functions)
    later += "\n".join(f.text("self._function", "    ", "self", "async ") for f in functions)
    return head + plain + "\n\n" + later


def main() -> None:
    tables = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[2])
    functions = [Function(loss) for loss in tables["losses"]]
    literal = pprint.pformat(tables, width=100, sort_dicts=False)
    (folder / "_tables.py").write_text(
        HEAD.format(title="The tables of libloss.") + f"\nfrom typing import Any\n\nTABLES: dict[str, Any] = {literal}\n"
    )
    (folder / "functional.py").write_text(functional(functions))
    (folder / "_methods.py").write_text(methods(functions))


main()
