#!/usr/bin/env python3
"""Tensors of PyTorch: in kind, in its graph, in the workers of its DataLoader, beside its OpenMP."""

import inspect
import warnings

from harness import tap

tap.need("numpy", "torch")

import numpy as np
import torch

import lossd
from harness import problems

T, F = torch.nn.functional, lossd.functional
NARROW = (torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)


def draw(*shape, dtype=torch.float64, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def classes(n, *shape, seed=2):
    return torch.randint(n, shape, generator=torch.Generator().manual_seed(seed))


def close(got, want, tolerance=1e-12):
    tap.expect(type(got) is torch.Tensor and got.dtype == want.dtype and got.shape == want.shape, got.dtype, want.dtype)
    difference = (got.double() - want.double()).abs().max() if got.numel() else 0
    tap.expect(difference <= tolerance, "differs by", difference)


def positional(function):
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


def test_signatures_are_those_of_pytorch(_):
    compared = 0
    for name in lossd.losses():
        if hasattr(T, name):
            ours, theirs = positional(getattr(F, name)), positional(getattr(T, name))
            tap.expect(ours == theirs, name, ours, theirs)
            compared += 1
    tap.expect(compared >= 7, compared)


def test_answers_are_tensors(_):
    x, y = draw(8, 10), classes(10, 8)
    for dtype in (torch.float64, torch.float32):
        close(F.cross_entropy(x.to(dtype), y), T.cross_entropy(x.to(dtype), y), 1e-6)
    result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad", "predicted", "correct"])
    tap.expect([t.dtype for t in result.values()] == [torch.float64, torch.float64, torch.int64, torch.bool])
    tap.expect((result.predicted == x.argmax(1)).all())


def test_narrow_types(_):
    y = classes(10, 8)
    for dtype in NARROW:
        x = draw(8, 10).to(dtype)
        result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"])
        want = lossd.evaluate("cross_entropy", {"logits": x.float(), "targets": y}, ["loss", "grad"])
        tap.expect(result.loss == want.loss and result.grad.dtype == dtype, dtype)
        tap.expect((result.grad.float() == want.grad.to(dtype).float()).all(), dtype)


def test_layouts(_):
    x, y = draw(8, 10), classes(10, 8)
    want = F.cross_entropy(x, y)
    wide = torch.zeros(8, 20, dtype=torch.float64)
    wide[:, ::2] = x
    for tensor in (x.t().contiguous().t(), wide[:, ::2], torch.nn.Parameter(x).detach(), -(-x)):
        tap.expect(F.cross_entropy(tensor, y) == want)
    tap.expect(F.cross_entropy(x, y.int()) == want and F.cross_entropy(x, y.numpy()) == want)
    for tensor in (x.to("meta"), x.to_sparse(), x.to(torch.complex128)):
        error = tap.expect_raises(TypeError, lambda tensor=tensor: F.cross_entropy(tensor, y), "logits")
        tap.expect(error.code == "dtype_mismatch" and error.pointer == "logits")


CASES = [
    ("cross_entropy", lambda f, x: f.cross_entropy(x, classes(4, 6))),
    ("weights", lambda f, x: f.cross_entropy(x, classes(4, 6), torch.linspace(1, 2, 4, dtype=x.dtype))),
    ("smoothing", lambda f, x: f.cross_entropy(x, classes(4, 6), label_smoothing=0.3, ignore_index=2)),
    ("none", lambda f, x: f.cross_entropy(x, classes(4, 6), reduction="none")),
    ("sum", lambda f, x: f.cross_entropy(x, classes(4, 6), reduction="sum")),
    ("classes apart", lambda f, x: f.cross_entropy(x.reshape(2, 4, 3), classes(4, 2, 3), reduction="none")),
    ("one row", lambda f, x: f.cross_entropy(x[0], classes(4)[()], reduction="none")),
    ("probabilities", lambda f, x: f.cross_entropy(x, torch.softmax(draw(6, 4, seed=9).to(x.dtype), 1))),
    ("nll_loss", lambda f, x: f.nll_loss(torch.log_softmax(x, 1), classes(4, 6))),
    ("log_softmax", lambda f, x: f.log_softmax(x, 1)),
    ("softmax 0", lambda f, x: f.softmax(x, 0)),
    ("softmax -2", lambda f, x: f.softmax(x.reshape(3, 2, 4), -2)),
    ("bce", lambda f, x: f.binary_cross_entropy(torch.sigmoid(x), torch.sigmoid(draw(6, 4, seed=8).to(x.dtype)))),
    ("bce logits", lambda f, x: f.binary_cross_entropy_with_logits(x, (x > 0).to(x.dtype), reduction="none")),
    ("kl_div", lambda f, x: f.kl_div(torch.log_softmax(x, 1), torch.softmax(draw(6, 4, seed=7).to(x.dtype), 1), reduction="batchmean")),
]  # fmt: skip


def test_gradients_are_those_of_pytorch(_):
    for name, call in CASES:
        grads = []
        for functions in (F, T):
            x = draw(6, 4).requires_grad_()
            y = call(functions, x)
            (y * draw(*y.shape, seed=5)).sum().backward()
            grads.append((y.detach(), x.grad))
        close(grads[0][0], grads[1][0])
        close(grads[0][1], grads[1][1])


def test_gradients_are_those_of_differences(_):
    for name, call in CASES:
        if "bce logits" in name:  # its target jumps
            continue
        tap.expect(torch.autograd.gradcheck(lambda x: call(F, x), draw(6, 4).requires_grad_(), fast_mode=False), name)


def test_a_graph_is_made_only_where_it_is_wanted(_):
    x, y = draw(6, 4).requires_grad_(), classes(4, 6)
    loss = F.cross_entropy(x, y)
    tap.expect(loss.requires_grad and loss.grad_fn is not None)
    loss.backward(retain_graph=True)
    loss.backward()
    close(x.grad, 2 * torch.autograd.grad(T.cross_entropy(x, y), x)[0])
    with torch.no_grad():
        tap.expect(not F.cross_entropy(x, y).requires_grad)
    tap.expect(not F.cross_entropy(x.detach(), y).requires_grad)
    result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"])
    tap.expect(not result.loss.requires_grad)
    weight = torch.ones(4, dtype=torch.float64, requires_grad=True)
    error = tap.expect_raises(ValueError, lambda: F.cross_entropy(x, y, weight), "weight requires a gradient")
    tap.expect(error.pointer == "weight")
    grad = torch.autograd.grad(F.cross_entropy(x, y), x, create_graph=True)[0]
    tap.expect_raises(RuntimeError, lambda: grad.sum().backward())


def test_narrow_types_in_a_graph(_):
    y = classes(10, 8)
    for dtype in (torch.bfloat16, torch.float16):
        for arguments in ({}, {"grad_dtype": "F32"}, {"reduction": "none"}):
            x = draw(8, 10).to(dtype).requires_grad_()
            F.cross_entropy(x, y, **arguments).sum().backward()
            wide = x.detach().double().requires_grad_()
            arguments.pop("grad_dtype", None)
            T.cross_entropy(wide, y, **arguments).sum().backward()
            tap.expect(x.grad.dtype == dtype)
            close(x.grad.double(), wide.grad, 4e-3)


def test_a_server_gives_the_same_bits_and_gradients(_):
    x, y = draw(64, 50, dtype=torch.float32), classes(50, 64)
    with lossd.serve() as client:
        for dtype in (torch.float32, torch.float64, *NARROW):
            tensors = {"logits": x.to(dtype), "targets": y}
            here = lossd.evaluate("cross_entropy", tensors, ["loss", "grad", "lse"])
            there = client.evaluate("cross_entropy", tensors, ["loss", "grad", "lse"])
            for name in here:
                same = here[name].view(torch.uint8) if here[name].dim() else here[name]
                other = there[name].view(torch.uint8) if there[name].dim() else there[name]
                tap.expect(here[name].dtype == there[name].dtype and torch.equal(same, other), dtype, name)
        grads = []
        for functions in (client, F):
            z = x.clone().requires_grad_()
            functions.cross_entropy(z, y).backward()
            grads.append(z.grad)
        tap.expect(torch.equal(*grads))


class Batches(torch.utils.data.Dataset):
    """Evaluates in the worker that fetches."""

    def __len__(self):
        return 12

    def __getitem__(self, i):
        x, y = draw(512, 100, seed=i).float(), classes(100, 512, seed=i)
        result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y})
        return result.totals, F.cross_entropy(x, y).item(), lossd.get_num_threads()


def test_gradients_of_rows_are_scaled_where_the_classes_are(_):
    for shape in ((4, 3), (2, 3, 3), (2, 5, 7)):
        x, t = draw(*shape).requires_grad_(), (draw(*shape, seed=5) > 0).double()
        weight = draw(*shape[:-1], seed=6)
        (F.multilabel_soft_margin_loss(x, t, reduction="none") * weight).sum().backward()
        ours, x.grad = x.grad, None
        (T.multilabel_soft_margin_loss(x, t, reduction="none") * weight).sum().backward()
        close(ours, x.grad)


def test_there_are_no_second_derivatives_and_it_says_so(_):
    y = classes(4, 3)
    for of in (lambda x: F.cross_entropy(x, y), lambda x: F.softmax(x, dim=1).square().sum(),
               lambda x: F.mse_loss(x, torch.zeros_like(x))):
        x = draw(3, 4).requires_grad_()
        (grad,) = torch.autograd.grad(of(x), x, create_graph=True)
        tap.expect_raises(RuntimeError, grad.square().sum().backward, "no second derivatives")


def test_small_gradients_are_scaled_before_they_are_rounded(_):
    logits = draw(4096, 1000).half().requires_grad_()
    (F.cross_entropy(logits, classes(1000, 4096)) * 65536).backward()
    tap.expect(logits.grad.dtype == torch.float16 and not (logits.grad == 0).any(), "gradients were lost")


def test_workers_of_a_data_loader(_):
    lossd.set_num_threads(max(2, lossd.get_num_threads()))
    want = [Batches()[i] for i in range(12)]
    loader = torch.utils.data.DataLoader(Batches(), batch_size=None, num_workers=3, timeout=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = list(loader)
    tap.expect([tuple(g[:2]) for g in got] == [w[:2] for w in want])
    tap.expect({g[2] for g in got} == {1}, got)
    tap.expect(sum(g[0] for g in got) == sum(w[0] for w in want))


def test_both_have_their_threads(_):
    torch.set_num_threads(2)
    lossd.set_num_threads(2)
    x, y = draw(2000, 1000, dtype=torch.float32), classes(1000, 2000)
    want = F.cross_entropy(x, y)
    for _ in range(5):
        tap.expect((x @ x.t()).shape == (2000, 2000))
        tap.expect(F.cross_entropy(x, y) == want)
        close(T.cross_entropy(x, y), want, 1e-5)


def test_a_model_learns(_):
    """A model that learns with the loss in its graph, as it does with PyTorch's."""
    x, y = draw(200, 8, dtype=torch.float32), classes(3, 200)
    paths = []
    for functions in (F, T):
        torch.manual_seed(0)
        model = torch.nn.Linear(8, 3)
        optimizer = torch.optim.SGD(model.parameters(), 0.5)
        path = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = functions.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            path.append(loss.item())
        paths.append(np.array(path))
    tap.expect(np.abs(paths[0] - paths[1]).max() < 1e-5 and paths[0][-1] < paths[0][0], paths)


if __name__ == "__main__":
    tap.main(globals())
