"""Losses in Python's float64, by their definitions: what the server's answers are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass

Row = list[float]


@dataclass(frozen=True)
class Rows:
    """The loss of each row, and the gradient of its sum by the row's logits."""

    losses: Row
    gradients: list[Row]


def _log_sum_exp(row: Row) -> float:
    top = max(row)
    return top + math.log(math.fsum(math.exp(x - top) for x in row))


def cross_entropy(logits: list[Row], targets: list[int]) -> Rows:
    losses, gradients = [], []
    for row, target in zip(logits, targets):
        lse = _log_sum_exp(row)
        losses.append(lse - row[target])
        gradients.append([math.exp(x - lse) - (c == target) for c, x in enumerate(row)])
    return Rows(losses, gradients)


def nll_loss(log_probs: list[Row], targets: list[int]) -> Rows:
    losses = [-row[target] for row, target in zip(log_probs, targets)]
    gradients = [[-float(c == t) for c in range(len(row))] for row, t in zip(log_probs, targets)]
    return Rows(losses, gradients)


def binary_cross_entropy_with_logits(logits: list[Row], targets: list[Row]) -> Rows:
    """A row's loss is the sum over its elements; the mean is over elements."""
    losses, gradients = [], []
    for row, wanted in zip(logits, targets):
        terms = [max(x, 0.0) - x * y + math.log1p(math.exp(-abs(x))) for x, y in zip(row, wanted)]
        losses.append(math.fsum(terms))
        gradients.append([1.0 / (1.0 + math.exp(-x)) - y for x, y in zip(row, wanted)])
    return Rows(losses, gradients)
