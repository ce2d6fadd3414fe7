#!/usr/bin/env python3
"""The samples by which PyTorch tests its own functions (OpInfo), through ours: in process and by a server they give the
same bits, or the same error, and PyTorch's values. All losses of the table whose name PyTorch has are in it."""

import warnings

from harness import tap

tap.need("numpy", "torch", "expecttest")

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import lossd

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
#: Of answers, beside PyTorch's in doubles of the same numbers.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}
#: What PyTorch takes and we refuse, as docs/numerics.md says.
REFUSED = {"shape_mismatch", "argument_out_of_range", "dtype_mismatch", "target_out_of_bounds"}


def operations():
    """(name, the operation), of losses that PyTorch has."""
    for op in op_db:
        name = op.name.rpartition(".")[2]
        if name in lossd.losses() and op.name in (name, f"nn.functional.{name}"):
            yield name, op


def called(functions, name, sample):
    """What the function gives, or the code of its error."""
    try:
        return getattr(functions, name)(sample.input, *sample.args, **sample.kwargs)
    except lossd.LossError as error:
        return error.code


def samples(op, dtype):
    if dtype not in op.supported_dtypes("cpu"):
        return
    yield from op.sample_inputs("cpu", dtype, requires_grad=False)


def same(one, other):
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and one == other
    one, other = one.contiguous(), other.contiguous()
    return one.dtype == other.dtype and torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))


def near(got, want, tolerance):
    return got.shape == want.shape and torch.allclose(
        got.double(), want.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def in_doubles(op, sample):
    """What PyTorch gives of the same numbers; its own arithmetic in narrow types is off by whole units."""
    wide = sample.transform(lambda v: v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v)
    return op(wide.input, *wide.args, **{k: v for k, v in wide.kwargs.items() if k != "dtype"})


def test_in_process_and_by_a_server_they_are_the_same(client):
    counts, wrong = {}, []
    for name, op in operations():
        for dtype in DTYPES:
            for sample in samples(op, dtype):
                count = counts.setdefault(name, {"same": 0, "refused": 0})
                here, there = called(lossd.functional, name, sample), called(client, name, sample)
                if not same(here, there):
                    wrong.append(f"{name} {sample}: {here} here, {there} there")
                if isinstance(here, str):
                    count["refused"] += 1
                    tap.expect(here in REFUSED, name, sample, here)
                    continue
                count["same"] += 1
                want = in_doubles(op, sample)
                if not near(here, want, TOLERANCES[here.dtype]):
                    wrong.append(f"{name} {sample}: {here}, but PyTorch has {want}")
    for name, count in counts.items():
        print(f"# {name}: {count['same']} samples, {count['refused']} refused")
        tap.expect(count["same"] > count["refused"], name, count)
    tap.expect(not wrong, f"{len(wrong)} of", counts, *wrong[:5])
    tap.expect(len(counts) >= 7, list(counts))


def test_gradients_are_those_of_pytorch(client):
    for name, op in operations():
        for sample in samples(op, torch.float64):
            grads = []
            for functions in (lossd.functional, client, op):
                x = sample.input.detach().clone().requires_grad_()
                one = type(sample)(x, args=sample.args, kwargs=sample.kwargs)
                y = op(x, *sample.args, **sample.kwargs) if functions is op else called(functions, name, one)
                if isinstance(y, str) or not y.requires_grad:
                    break
                grads.append(torch.autograd.grad(y.sum(), x)[0])
            if len(grads) == 3:
                tap.expect(same(grads[0], grads[1]), name, sample)
                tap.expect(near(grads[0], grads[2], 1e-11), name, sample, grads[0], grads[2])


if __name__ == "__main__":
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    torch.manual_seed(1)
    tap.main(globals(), lossd.serve)
