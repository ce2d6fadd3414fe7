#!/usr/bin/env python3
"""The same tensors give the same bits over every wire, whoever writes it."""

import contextlib

from harness import tap

tap.need("numpy", "ml_dtypes", "requests", "tritonclient.http", "kserve", "safetensors")

import numpy as np

from harness import programs, wires
from harness.daemon import daemon
from harness.problem import DTYPES, Problem, round_to

JSON, SAFETENSORS = wires.JSON, wires.SAFETENSORS


def reference(server):
    return wires.V1(server.url, SAFETENSORS, SAFETENSORS)


def wires_of(server, stack):
    """All the ways there are; those whose toolchain is missing are told of."""
    for sends in (JSON, SAFETENSORS):
        for gets in (JSON, SAFETENSORS):
            for zipped in (False, True):
                yield wires.V1(server.url, sends, gets, zipped)
    for sends in ("json", "safetensors"):
        for piped in (False, True):
            yield wires.Eval(sends, piped)
    for binary in (True, False):
        for compression in (None, "gzip", "deflate"):
            yield wires.Triton(server.address, binary, compression)
    yield wires.TritonMemory(server.address)
    yield wires.KServe(server.url, binary=True)
    yield wires.KServe(server.url, binary=False)
    spoken = {programs.go: ("safetensors", "oip"), programs.javascript: ("safetensors", "base64", "oip")}
    for language, wire in [(language, wire) for language in spoken for wire in spoken[language]]:
        try:
            yield stack.enter_context(language(wire, server.url))
        except tap.Skip as skip:
            print(f"# without {language.__name__}, {wire}: {skip}")


def logits(seed, shape, dtype="F32", scale=4.0):
    drawn = np.random.default_rng(seed).standard_normal(shape) * scale
    return round_to(drawn, DTYPES[dtype])


def classes(seed, shape, n, dtype=np.int64):
    return np.random.default_rng(seed).integers(0, n, shape).astype(dtype)


def problems():
    """In every type that all wires can name, of sizes that fit a packet and that do not."""
    everything = ["loss", "grad", "lse", "predicted", "correct", "accuracy", "probs"]
    x = logits(1, (7, 11))
    yield Problem("cross_entropy", {"logits": x, "targets": classes(2, 7, 11)}, everything)
    yield Problem(
        "cross_entropy",
        {"targets": classes(3, 64, 500, np.int32), "logits": logits(3, (64, 500), scale=20.0)},
        ["loss", "grad", "lse"],
        label_smoothing=0.1,
        reduction="sum",
    )
    yield Problem(
        "cross_entropy",
        {"logits": logits(4, (2, 5, 3, 2), "F64"), "targets": classes(4, (2, 3, 2), 5, np.uint8)},
        ["loss", "grad"],
        reduction="none",
    )
    weight = round_to(np.random.default_rng(5).random(9), DTYPES["F32"])
    for dtype in ("F16", "BF16"):
        yield Problem(
            "cross_entropy",
            {"logits": logits(5, (33, 9), dtype), "targets": classes(5, 33, 9), "weight": weight},
            ["loss", "grad", "log_probs"],
            ignore_index=3,
        )
    yield Problem(
        "cross_entropy",
        {
            "logits": logits(9, (40, 9)),
            "targets": classes(9, 40, 9),
            "row_weight": weight[classes(10, 40, 9)],
            "mask": classes(11, 40, 3) > 0,
        },
        ["loss", "grad", "topk_accuracy", "ece"],
        gamma=2.0,
        logit_scale=1.5,
        k=3,
        ece_bins=10,
        ece_norm="l2",
    )
    yield Problem(
        "cross_entropy",
        {
            "logits": logits(12, (5, 8, 9)),
            "targets": classes(12, 40, 9).reshape(5, 8),
            "groups": classes(13, 40, 6).reshape(5, 8) - 1,
            "bytes": classes(14, 5, 90),
        },
        ["loss", "group_loss_sum", "group_denominator", "group_counted", "group_loss", "bits_per_byte",
         "loss_quantiles"],
        class_axis=-1,
        shift=True,
        n_groups=5,
    )
    rows = logits(6, (17, 4))
    yield Problem("log_softmax", {"logits": rows}, ["log_probs", "lse"], class_axis=-1)
    yield Problem(
        "kl_div",
        {"log_probs": -abs(rows), "targets": abs(logits(7, (17, 4)))},
        ["loss", "grad"],
        reduction="batchmean",
    )
    yield Problem(
        "binary_cross_entropy_with_logits",
        {"logits": rows, "targets": logits(8, (17, 4), scale=0.1).clip(0, 1)},
        ["loss", "grad"],
        reduction="none",
    )


def bits(result):
    """Everything in a result, as text without loss."""
    outputs = {
        name: (str(array.dtype), array.shape, array.tobytes().hex())
        for name, array in sorted(result.outputs.items())
    }
    return outputs, {name: float(value).hex() for name, value in result.totals.items()}


def differences(wire, problem, expected):
    outputs, totals = bits(wire.evaluate(problem))
    for name, want in expected[0].items():
        if outputs.get(name) != want:
            yield f"{wire.name}: {problem.loss} {problem.dtypes()}: {name} differs"
    if totals != expected[1]:
        yield f"{wire.name}: {problem.loss} {problem.dtypes()}: {totals}, not {expected[1]}"


def test_the_same_bits_over_every_wire(server):
    found, compared = [], {}
    with contextlib.ExitStack() as stack:
        everything = list(wires_of(server, stack))
        for problem in problems():
            expected = bits(reference(server).evaluate(problem))
            tap.expect(expected[0], "nothing came back")
            for wire in everything:
                if wire.carries(problem):
                    compared[wire.name] = compared.get(wire.name, 0) + 1
                    found += differences(wire, problem, expected)
    for wire in everything:
        print(f"# {compared.get(wire.name, 0)} problems over {wire.name}")
        tap.expect(compared.get(wire.name, 0) >= 6, wire.name, "carried too little")
    tap.expect(not found, *found)


def test_another_problem_has_other_bits(server):
    """The comparison above can fail: one bit of one logit is seen in the result."""
    first = next(problems())
    wire = wires.Triton(server.address)
    expected = bits(reference(server).evaluate(first))
    first.tensors["logits"].view(np.uint32)[0, 0] ^= 1
    tap.expect(list(differences(wire, first, expected)), "a changed bit makes no difference")


if __name__ == "__main__":
    tap.main(globals(), daemon)
