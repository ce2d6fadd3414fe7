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


def _scaled(loss: Loss, grad: Any, grad_output: Any, class_axis: Any) -> Any:
    """The gradient of rows, or of their mean, times what comes from above."""
    if grad_output.dim() == 0 or loss.element_wise:
        return grad * grad_output
    axis = 0 if grad.dim() == 1 else grad.dim() - 1 if class_axis == -1 else 1
    return grad * grad_output.unsqueeze(axis)


@functools.lru_cache(maxsize=None)
def _nodes() -> Any:
    """The classes, made when PyTorch is there for certain."""
    import torch
    from torch.autograd.function import once_differentiable

    class OnePass(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, input: Any, evaluate: Evaluate, loss: Loss, tensors: Any, arguments: Any) -> Any:
            outputs = evaluate(loss, tensors, (loss.output, "grad"), arguments)
            ctx.save_for_backward(outputs["grad"])
            ctx.loss, ctx.class_axis = loss, arguments.get("class_axis")
            return outputs[loss.output]

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad_output: Any) -> Any:
            (grad,) = ctx.saved_tensors
            return _scaled(ctx.loss, grad, grad_output, ctx.class_axis), None, None, None, None

    class Upstream(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, input: Any, evaluate: Evaluate, loss: Loss, tensors: Any, arguments: Any) -> Any:
            ctx.save_for_backward(*(torch.as_tensor(t) for t in tensors.values()))
            ctx.evaluate, ctx.loss, ctx.names, ctx.arguments = evaluate, loss, list(tensors), arguments
            return evaluate(loss, tensors, (loss.output,), arguments)[loss.output]

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad_output: Any) -> Any:
            tensors = {**dict(zip(ctx.names, ctx.saved_tensors)), "grad_output": grad_output}
            outputs = ctx.evaluate(ctx.loss, tensors, ("grad",), ctx.arguments)
            return outputs["grad"], None, None, None, None

    class Nodes:
        one_pass, upstream = OnePass, Upstream

    return Nodes
