#!/usr/bin/env python3
"""PyTorch's errors beside ours: pytorch_errors.py DUMP, of a file that fuzz_kernels wrote (DUMP=FILE).

A record is a line "LOSS DTYPE ROWS CLASSES" and doubles after it. cross_entropy: the logits, the targets, then by row
the loss, and by class of it the gradient, log_probs and probs. binary_cross_entropy_with_logits: the logits, the
targets, then by element the loss, the gradient and the scale that the gradient's error is measured by. Each result is
three doubles: the exact value in two, and ours. PyTorch evaluates in the dtype itself, as a caller would; its results
of half types are rounded to them, so they are judged in their own ulps and ours in float32's.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# Digits of the significand, exponent of the last digit of a subnormal.
FORMATS = {"F64": (53, -1074), "F32": (24, -149), "F16": (11, -24), "BF16": (8, -133)}

worst = {}


def ulps(dtype, got, exact, low, scale):
    """|got - exact| in ulps of the scale; values that are not finite on either side are left out."""
    digits, lowest = FORMATS[dtype]
    with np.errstate(all="ignore"):
        _, exponent = np.frexp(np.abs(scale))
        ulp = np.ldexp(1.0, np.maximum(exponent - digits, lowest))
        error = np.abs((got - exact) - low) / ulp
    return error[np.isfinite(error) & np.isfinite(exact)]


def note(quantity, dtype, ours, torch_got, exact, low, scale=None, floor=0.0):
    scale = exact if scale is None else scale
    keep = np.abs(scale) >= floor
    ours_dtype = dtype if dtype == "F64" else "F32"
    mine = ulps(ours_dtype, ours[keep], exact[keep], low[keep], scale[keep])
    theirs = ulps(dtype, torch_got[keep], exact[keep], low[keep], scale[keep])
    entry = worst.setdefault((quantity, dtype), [0.0, 0.0, 0])
    entry[0] = max(entry[0], mine.max(initial=0.0))
    entry[1] = max(entry[1], theirs.max(initial=0.0))
    entry[2] += int(keep.sum())


def numpy_of(tensor):
    return tensor.detach().double().numpy()


def cross_entropy(dtype, rows, classes, take):
    x = torch.from_numpy(take(rows * classes).reshape(rows, classes).copy()).to(DTYPES[dtype]).requires_grad_()
    y = torch.from_numpy(take(rows).astype(np.int64))
    values = take(rows * (3 + 9 * classes)).reshape(rows, 3 + 9 * classes)
    per_class = values[:, 3:].reshape(rows, classes, 9)
    loss = F.cross_entropy(x, y, reduction="none")
    loss.sum().backward()
    note("loss", dtype, values[:, 2], numpy_of(loss), values[:, 0], values[:, 1])
    outputs = {"grad": (numpy_of(x.grad), 1e-30), "log_probs": (numpy_of(F.log_softmax(x, 1)), 0.0),
               "probs": (numpy_of(F.softmax(x, 1)), 1e-30)}
    for i, (name, (got, floor)) in enumerate(outputs.items()):
        note(name, dtype, per_class[:, :, 3 * i + 2], got, per_class[:, :, 3 * i], per_class[:, :, 3 * i + 1],
             floor=floor)


def binary_cross_entropy_with_logits(dtype, rows, classes, take):
    n = rows * classes
    x = torch.from_numpy(take(n).copy()).to(DTYPES[dtype]).requires_grad_()
    t = torch.from_numpy(take(n).copy()).to(DTYPES[dtype])
    values = take(7 * n).reshape(n, 7)
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    loss.sum().backward()
    note("bce_with_logits loss", dtype, values[:, 2], numpy_of(loss), values[:, 0], values[:, 1])
    note("bce_with_logits grad", dtype, values[:, 5], numpy_of(x.grad), values[:, 3], values[:, 4],
         scale=values[:, 6], floor=1e-30)


LOSSES = {"cross_entropy": (cross_entropy, lambda n, c: n * c + n + n * (3 + 9 * c)),
          "binary_cross_entropy_with_logits": (binary_cross_entropy_with_logits, lambda n, c: 9 * n * c)}


def read(path):
    skipped = set()
    with open(path, "rb") as file:
        while line := file.readline():
            loss, dtype, rows, classes = line.decode().split()
            rows, classes = int(rows), int(classes)
            evaluate, count = LOSSES[loss]
            values, at = np.frombuffer(file.read(8 * count(rows, classes))), 0

            def take(n):
                nonlocal at
                at += n
                return values[at - n:at]

            if dtype not in DTYPES:
                continue
            try:
                evaluate(dtype, rows, classes, take)
            except RuntimeError as error:  # a type that PyTorch does not compute in on a CPU
                skipped.add(f"{loss} {dtype}: {str(error).splitlines()[0]}")
    return skipped


def main():
    skipped = read(sys.argv[1])
    print(f"worst error in ulp beside PyTorch {torch.__version__}, of finite values")
    print(f"{'quantity':<24}{'dtype':<8}{'lossd':>10}{'PyTorch':>14}{'values':>12}")
    for (quantity, dtype), (ours, theirs, n) in sorted(worst.items()):
        print(f"{quantity:<24}{dtype:<8}{ours:>10.3f}{theirs:>14.6g}{n:>12}")
    for reason in sorted(skipped):
        print(f"not by PyTorch: {reason}")


if __name__ == "__main__":
    main()
