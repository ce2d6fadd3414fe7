"""Losses in a graph of PyTorch: the gradient is computed beside the loss, in one pass."""

from __future__ import annotations

import functools
import sys
from typing import Any, Callable, Mapping

from . import errors
from ._losses import Loss

Evaluate = Callable[..., Any]


def apply(evaluate: Evaluate, loss: Loss, tensors: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The loss's first output as a node of the graph, where gradients are wanted at all.

    Gradients are those with respect to the first tensor: LossValueError where another needs one.
    """
    torch = sys.modules["torch"]
    if not torch.is_grad_enabled():
        return evaluate(loss, tensors, (loss.output,), arguments)[loss.output]
    for name, tensor in tensors.items():
        if name != loss.input and getattr(tensor, "requires_grad", False):
            raise errors.make(
                f"{name} requires a gradient, but {loss.name} has that of {loss.input} only: "
                f"{name}.detach()",
                "argument_out_of_range",
                name,
            )
    upstream = "grad_output" in loss.outputs["grad"]["needs"]
    node = _nodes().upstream if upstream else _nodes().one_pass
    return node.apply(tensors[loss.input], evaluate, loss, tensors, arguments)


def _class_axis(loss: Loss, arguments: Mapping[str, Any]) -> int:
    """Losses that can not be told where the classes are have them last."""
    return arguments.get("class_axis", 1) if "class_axis" in loss.arguments else -1


def _scaled(loss: Loss, grad: Any, grad_output: Any, class_axis: int) -> Any:
    """The gradient of rows, or of their mean, times what comes from above."""
    if grad_output.dim() == 0 or loss.element_wise:
        return grad * grad_output
    return grad * grad_output.unsqueeze(0 if grad.dim() == 1 else class_axis)


def _for_scaling(loss: Loss, input: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gradients of types with few exponents are made as F32: of a mean they may be too small for
    those until they are multiplied by what comes from above, such as a GradScaler's factor."""
    torch = sys.modules["torch"]
    wide = (torch.float64, torch.float32, torch.bfloat16)
    if input.dtype in wide or "grad_dtype" not in loss.arguments:
        return arguments
    return {"grad_dtype": "F32", **arguments}


@functools.lru_cache(maxsize=None)
def _nodes() -> Any:
    """The classes, made when PyTorch is there for certain."""
    import torch

    class Last(torch.autograd.Function):
        """A gradient that depends on the input, of which there is no derivative."""

        @staticmethod
        def forward(ctx: Any, grad: Any, *of: Any) -> Any:
            return grad.view_as(grad)

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            raise RuntimeError("lossd has no second derivatives: leave out create_graph=True")

    def last(grad: Any, *of: Any) -> Any:
        return Last.apply(grad, *of) if torch.is_grad_enabled() else grad

    class OnePass(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, input: Any, evaluate: Evaluate, loss: Loss, tensors: Any, arguments: Any) -> Any:
            scaling = _for_scaling(loss, input, arguments)
            outputs = evaluate(loss, tensors, (loss.output, "grad"), scaling)
            ctx.save_for_backward(outputs["grad"], input)
            ctx.loss, ctx.class_axis = loss, _class_axis(loss, arguments)
            return outputs[loss.output]

        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            grad, input = ctx.saved_tensors
            with torch.no_grad():
                scaled = _scaled(ctx.loss, grad, grad_output, ctx.class_axis).to(input.dtype)
            return last(scaled, grad_output, input), None, None, None, None

    class Upstream(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, input: Any, evaluate: Evaluate, loss: Loss, tensors: Any, arguments: Any) -> Any:
            ctx.save_for_backward(*(torch.as_tensor(t) for t in tensors.values()))
            ctx.evaluate, ctx.loss, ctx.names, ctx.arguments = evaluate, loss, list(tensors), arguments
            return evaluate(loss, tensors, (loss.output,), arguments)[loss.output]

        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            saved = ctx.saved_tensors
            tensors = {**dict(zip(ctx.names, saved)), "grad_output": grad_output}
            with torch.no_grad():
                outputs = ctx.evaluate(ctx.loss, tensors, ("grad",), ctx.arguments)
            return last(outputs["grad"], grad_output, *saved), None, None, None, None

    class Nodes:
        one_pass, upstream = OnePass, Upstream

    return Nodes
