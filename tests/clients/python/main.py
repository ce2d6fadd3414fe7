"""Asks the server at URL one question through the client of openapi-python-client: main.py URL QUESTION"""

import sys

from lossd_client import Client
from lossd_client.api.losses import evaluate_loss
from lossd_client.api.operation import get_live
from lossd_client.models import (
    ArgumentReduction,
    CrossEntropyRequest,
    CrossEntropyRequestOutputsItem,
    Dtype,
    EvaluationReply,
    Live,
    LossName,
    Problem,
    Totals,
    TypedTensor,
)

client = Client(base_url=sys.argv[1])


def evaluate(body: CrossEntropyRequest) -> EvaluationReply | Problem | None:
    return evaluate_loss.sync(LossName.CROSS_ENTROPY, client=client, body=body)


def evaluation() -> list[object]:
    reply = evaluate(
        CrossEntropyRequest(
            logits=[[-0.7715, -0.6205, -0.2562]],
            targets=[0],
            outputs=[CrossEntropyRequestOutputsItem.LOSS, CrossEntropyRequestOutputsItem.GRAD],
        )
    )
    assert isinstance(reply, EvaluationReply) and isinstance(reply.grad, list)
    return [reply.loss, *reply.grad[0]]


def typed() -> list[object]:
    reply = evaluate(
        CrossEntropyRequest(
            logits=TypedTensor(dtype=Dtype.F64, shape=[1, 3], data=[-0.7715, -0.6205, -0.2562]),
            targets=TypedTensor(dtype=Dtype.I64, shape=[1], data=[0]),
            reduction=ArgumentReduction.SUM,
        )
    )
    assert isinstance(reply, EvaluationReply) and isinstance(reply.totals, Totals)
    return [reply.loss, reply.totals.counted]


def error() -> list[object]:
    reply = evaluate(CrossEntropyRequest(logits=[[1, 2]], targets=[0, 1]))
    assert isinstance(reply, Problem)
    return [reply.status, reply.code, reply.pointer]


def live() -> list[object]:
    reply = get_live.sync(client=client)
    assert isinstance(reply, Live)
    return [str(reply.live).lower()]


QUESTIONS = {"evaluation": evaluation, "typed": typed, "error": error, "live": live}
print(*QUESTIONS[sys.argv[2]]())
