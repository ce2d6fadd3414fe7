#!/usr/bin/env python3
"""The package in process, with NumPy alone: functions, evaluate, totals, errors, threads, memory."""

import concurrent.futures
import gc
import inspect
import os
import pickle
import sys
import warnings

from harness import tap

tap.need("numpy")

import numpy as np

import lossd
from harness import problems

F = lossd.functional


def logits(rows=8, classes=10, seed=1, dtype="f4"):
    return (np.random.default_rng(seed).standard_normal((rows, classes)) * 4).astype(dtype)


def classes(rows=8, n=10, seed=2):
    return np.random.default_rng(seed).integers(0, n, rows)


def reference(x, y):
    """The mean cross entropy, in doubles."""
    x = x.astype("f8")
    lse = np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)) + x.max(1)
    return (lse - x[np.arange(len(y)), y]).mean()


def test_evaluations_within_evaluations(_):
    """A hook, or the handler of a signal, that evaluates while its thread does."""
    logits, targets = np.eye(6, 4, dtype="f4"), np.arange(6) % 4
    want = lossd.functional.cross_entropy(logits, targets)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_, **__: lossd.functional.cross_entropy(-5 * logits, targets)
        got = lossd.functional.cross_entropy(logits, targets, reduction="elementwise_mean")
    tap.expect(got == want, got, want)


def test_masked_arrays_are_refused(_):
    masked = np.ma.array([[2.0, 0.5, 9e9]], mask=[[0, 0, 1]], dtype="f4")
    zeros = np.zeros((1, 3), "f4")
    tap.expect_raises(lossd.LossTypeError, lambda: lossd.functional.mse_loss(masked, zeros), "masked array")


def test_a_small_output_is_no_hold_on_a_large_one(_):
    logits, targets = np.zeros((64, 1000), "f4"), np.zeros(64, "i8")
    result = lossd.evaluate("cross_entropy", {"logits": logits, "targets": targets}, ["lse", "grad"])
    tap.expect(result["lse"].base is None or result["lse"].flags.owndata, "lse lies in the arena")


def test_only_numpy_is_imported(_):
    for module in ("torch", "jax", "httpx", "ml_dtypes", "asyncio", "ssl"):
        tap.expect(module not in sys.modules, module, "was imported")


def test_the_version_is_that_of_the_library(_):
    with open(os.path.join(tap.ROOT, "src", "loss.h")) as header:
        tap.expect(f'#define LOSS_VERSION "{lossd.__version__}"' in header.read(), lossd.__version__)


def test_a_loss_is_what_its_formula_says(_):
    x, y = logits(), classes()
    loss = F.cross_entropy(x, y)
    tap.expect(type(loss) is np.float32, type(loss))
    tap.expect(abs(float(loss) - reference(x, y)) < 1e-6, loss, reference(x, y))
    x = x.astype("f8")
    loss = F.cross_entropy(x, y)
    tap.expect(type(loss) is np.float64 and abs(loss - reference(x, y)) < 1e-14, loss)


def test_every_loss_has_its_function(_):
    for name, tensors in problems.everything():
        row = lossd.losses()[name]
        parameters = inspect.signature(getattr(F, name)).parameters
        ours = {"input": row["tensors"][0]["name"], "inputs": row["tensors"][0]["name"], "target": "targets"}
        named = {p: tensors[ours.get(p, p)] for p in parameters if ours.get(p, p) in tensors}
        tap.expect(len(named) == len(tensors), name, list(named), list(tensors))
        if "dim" in parameters:
            named["dim"] = 1
        first = list(named)[0]
        answer = getattr(F, name)(named.pop(first), **named)
        result = lossd.evaluate(name, tensors)
        tap.expect(problems.same_bits(answer, result[row["outputs"][0]["name"]]), name)


def test_the_order_and_defaults_are_those_of_pytorch(_):
    order = {
        "cross_entropy": "input target weight size_average ignore_index reduce reduction label_smoothing",
        "nll_loss": "input target weight size_average ignore_index reduce reduction",
        "binary_cross_entropy": "input target weight size_average reduce reduction",
        "binary_cross_entropy_with_logits": "input target weight size_average reduce reduction pos_weight",
        "kl_div": "input target size_average reduce reduction log_target",
        "sigmoid_focal_loss": "inputs targets alpha gamma reduction",
        "softmax": "input dim _stacklevel dtype",
        "log_softmax": "input dim _stacklevel dtype",
    }
    for name, words in order.items():
        parameters = inspect.signature(getattr(F, name)).parameters.values()
        got = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        tap.expect(got == words.split(), name, got)
    defaults = {n: p.default for n, p in inspect.signature(F.cross_entropy).parameters.items()}
    tap.expect(defaults["ignore_index"] == -100 and defaults["reduction"] == "mean", defaults)


def test_the_fast_way_has_the_bits_of_the_slow_one(_):
    for seed in range(40):
        rows = 1 + seed % 9
        x, y = logits(rows, 10, seed), classes(rows, 10, seed)
        first = F.cross_entropy(x, y, reduction="sum" if seed % 3 else "mean")
        again = F.cross_entropy(x, y, reduction="sum" if seed % 3 else "mean")
        slow = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, reduction="sum" if seed % 3 else "mean")
        tap.expect(problems.same_bits(first, slow.loss) and problems.same_bits(again, slow.loss), seed)


def test_what_changes_between_calls_is_seen(_):
    x, y = logits(), classes()
    F.cross_entropy(x, y)
    x[0, 0] += 1
    tap.expect(abs(F.cross_entropy(x, y) - reference(x, y)) < 1e-6)
    tap.expect(F.cross_entropy(x, y, ignore_index=int(y[0])) != F.cross_entropy(x, y))
    tap.expect(F.cross_entropy(x, y.astype("i4")) == F.cross_entropy(x, y))
    weight = np.linspace(0.5, 2, 10, dtype="f4")
    weighted = F.cross_entropy(x, y, weight)
    tap.expect(weighted == F.cross_entropy(x, y, weight=weight) and weighted != F.cross_entropy(x, y))
    tap.expect_raises(ValueError, lambda: F.cross_entropy(x, y + 10), "targets[")
    tap.expect(abs(F.cross_entropy(x, y) - reference(x, y)) < 1e-6)


def test_layouts_are_read_as_they_are(_):
    x, y = logits(), classes()
    want = F.cross_entropy(x, y)
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.zeros((8, 20), "f4")
    wide[:, ::2] = x
    for what, array in {
        "read-only": frozen,
        "Fortran": np.asfortranarray(x),
        "strided": wide[:, ::2],
        "reversed": x[::-1][::-1],
        "big-endian": x.astype(">f4"),
        "memoryview": memoryview(x),
        "a subclass": x.view(np.matrix),
    }.items():
        for _ in range(2):
            tap.expect(problems.same_bits(F.cross_entropy(array, y), want), what)
    tap.expect(problems.same_bits(F.cross_entropy(x, y.astype(">i8")), want), "big-endian targets")


def test_array_interface_buffers_and_dlpack(_):
    import array

    x, y = logits(1, 4), np.array([2])
    want = F.cross_entropy(x, y)

    class Foreign:
        def __init__(self, values):
            self.values = values

        @property
        def __array_interface__(self):
            return self.values.__array_interface__

    class Capsule:
        def __init__(self, values):
            self.values = values

        def __dlpack__(self, **arguments):
            return self.values.__dlpack__(**arguments)

        def __dlpack_device__(self):
            return self.values.__dlpack_device__()

    class Elsewhere(Capsule):
        def __dlpack_device__(self):
            return (2, 0)

    tap.expect(F.cross_entropy(Foreign(x), Foreign(y)) == want)
    tap.expect(F.cross_entropy(Capsule(x), Capsule(y)) == want)
    flat = array.array("f", x.ravel())
    tap.expect(F.cross_entropy(flat, np.array(2)) == want)
    tap.expect_raises(TypeError, lambda: F.cross_entropy(Elsewhere(x), y), "logits", "memory")
    for wrong in ([[1.0, 2.0]], 3, "x", object()):
        error = tap.expect_raises(TypeError, lambda wrong=wrong: F.cross_entropy(wrong, y), "logits")
        tap.expect(error.code == "wrong_type" and error.pointer == "logits", error.code)


def test_nothing_is_copied(_):
    x, y = np.zeros((2048, 1024), "f4"), np.zeros(2048, "i8")
    result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["grad", "lse"])
    view = result.grad
    tap.expect(view.base is not None and view.flags.writeable and view.flags.c_contiguous)
    before = view.copy()
    del result
    gc.collect()
    for _ in range(3):
        lossd.evaluate("cross_entropy", {"logits": x + 1, "targets": y}, ["grad"])
    tap.expect((view == before).all(), "an array lost its memory")


def test_shapes_and_zero_sizes(_):
    tap.expect(np.isnan(F.cross_entropy(np.zeros((0, 3), "f4"), np.zeros(0, "i8"))))
    tap.expect(F.cross_entropy(np.zeros((0, 3), "f4"), np.zeros(0, "i8"), reduction="none").shape == (0,))
    tap.expect(F.cross_entropy(np.zeros(3, "f4"), np.array(1)) == np.float32(np.log(3)))
    deep = np.zeros((2, 3, 1, 1, 1, 1, 1, 1), "f4")
    tap.expect(F.cross_entropy(deep, np.zeros((2, 1, 1, 1, 1, 1, 1), "i8")) == np.float32(np.log(3)))
    error = tap.expect_raises(
        ValueError, lambda: F.cross_entropy(np.zeros((1,) * 9, "f4"), np.zeros(1, "i8")), "rank"
    )
    tap.expect(error.code == "shape_mismatch" and error.pointer == "logits", error.code)


def test_softmax_takes_every_dim(_):
    x = np.random.default_rng(3).standard_normal((3, 4, 5, 2)).astype("f8")
    for dim in range(-4, 4):
        want = np.exp(x) / np.exp(x).sum(dim, keepdims=True)
        got = F.softmax(x, dim)
        tap.expect(got.shape == x.shape and np.abs(got - want).max() < 1e-14, dim)
        tap.expect(np.abs(F.log_softmax(x, dim=dim) - np.log(want)).max() < 1e-13, dim)
    tap.expect(F.softmax(x[0, 0, 0], -1).shape == (2,) and F.softmax(x[0, 0, 0], 0).shape == (2,))
    tap.expect(F.softmax(x.astype("f4"), 1, dtype="f8").dtype == np.float64)
    for dim in (4, -5):
        tap.expect_raises(IndexError, lambda dim=dim: F.softmax(x, dim), "dim is", "-4 to 3")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tap.expect((F.softmax(x[0, 0]) == F.softmax(x[0, 0], 1)).all())
    tap.expect(len(told) == 1 and "dim" in str(told[0].message))


def test_errors_have_code_pointer_and_all_that_is_wrong(_):
    x, y = logits(), classes()
    for call, kind, code, pointer, words in (
        (lambda: F.cross_entropy(x, y + 10), ValueError, "target_out_of_bounds", "targets", "10 classes"),
        (lambda: F.cross_entropy(x, y[:7]), ValueError, "shape_mismatch", "targets", "(7)"),
        (lambda: F.cross_entropy(x.astype("c8"), y), TypeError, "dtype_mismatch", "logits", "complex64"),
        (lambda: F.cross_entropy(x.astype("i4"), y), TypeError, "dtype_mismatch", "logits", "I32"),
        (lambda: F.cross_entropy(x, y, reduction="men"), ValueError, "argument_out_of_range", "reduction", "men"),
        (lambda: F.cross_entropy(x, y, label_smoothing=2), ValueError, "argument_out_of_range", "label_smoothing", "is 2,"),
        (lambda: F.cross_entropy(x, y, label_smoothing="a"), TypeError, "wrong_type", "label_smoothing", '"a"'),
        (lambda: F.cross_entropy(x, y, label_smoothing=[1]), TypeError, "wrong_type", "label_smoothing", "[1]"),
        (lambda: F.cross_entropy(x, y, ignore_index=0.5), TypeError, "wrong_type", "ignore_index", "0.5"),
        (lambda: F.cross_entropy(x, y, ignore_index=2**63), ValueError, "argument_out_of_range", "ignore_index", "92233"),
        (lambda: F.cross_entropy(x, None), ValueError, "missing_field", "targets", "needs targets"),
        (lambda: lossd.evaluate("cros_entropy", {}), ValueError, "unknown_loss", None, "cross_entropy"),
        (lambda: lossd.evaluate("cross_entropy", {"logit": x}), ValueError, "unknown_field", "logit", "logits"),
        (lambda: lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, reductoin=1), ValueError, "unknown_field", "reductoin", "reduction"),
        (lambda: lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, "lose"), ValueError, "argument_out_of_range", "outputs", "lose"),
    ):  # fmt: skip
        error = tap.expect_raises(kind, call, words)
        tap.expect(isinstance(error, lossd.LossError), type(error))
        tap.expect((error.code, error.pointer) == (code, pointer), error.code, error.pointer, error)
        copy = pickle.loads(pickle.dumps(error))
        tap.expect((type(copy), str(copy), copy.code) == (type(error), str(error), error.code), copy)
    error = tap.expect_raises(ValueError, lambda: F.cross_entropy(x, y, label_smoothing=2, softcap=-1))
    tap.expect([e["pointer"] for e in error.errors] == ["label_smoothing", "softcap"], error.errors)


def test_equal_values_mean_the_same(_):
    x, y = logits(), classes()
    want = F.cross_entropy(x, y, ignore_index=1, label_smoothing=0.0)
    for index in (1, 1.0, True, np.int64(1), np.float32(1)):
        for smoothing in (0, 0.0, False, np.float64(0), -0.0):
            got = F.cross_entropy(x, y, ignore_index=index, label_smoothing=smoothing)
            tap.expect(problems.same_bits(got, want), repr(index), repr(smoothing))


def test_legacy_arguments_warn_as_pytorch_does(_):
    x, y = logits(), classes()
    for _ in range(2):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            loss = F.cross_entropy(x, y, size_average=False)
        tap.expect(loss == F.cross_entropy(x, y, reduction="sum"))
        tap.expect(len(told) == 1 and "size_average" in str(told[0].message), told)
        tap.expect(told[0].filename == __file__, told[0].filename)


def test_evaluate_gives_outputs_totals_and_metrics(_):
    x, y = logits(), classes()
    result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y, "weight": None}, ["grad", "loss", "correct"])
    tap.expect(list(result) == ["grad", "loss", "correct"] and len(result) == 3)
    tap.expect(result.grad is result["grad"] and result.correct.dtype == bool)
    tap.expect(result.totals.rows == 8 and result.totals.counted == 8 and result.totals.state)
    tap.expect(result.metrics["threads"] == lossd.get_num_threads() and result.metrics["isa"])
    tap.expect(lossd.evaluate("softmax", {"logits": x}).totals is None)
    plain = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, totals="plain").totals
    tap.expect(plain.state is None and plain.loss_sum == result.totals.loss_sum)
    tap.expect_raises(AttributeError, lambda: result.lse, "lse")
    tap.expect_raises(KeyError, lambda: result["lse"])
    tap.expect(list(lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, [])) == [])


def test_totals_add_exactly_in_any_order(_):
    x, y = logits(1000, 7, 5), classes(1000, 7, 6)
    x[::17] *= 1e20
    outputs = ["loss", "accuracy", "perplexity", "ece"]

    def evaluate(rows):
        return lossd.evaluate("cross_entropy", {"logits": x[rows], "targets": y[rows]}, outputs)

    whole = evaluate(slice(None))
    parts = [evaluate(slice(i, i + 13)) for i in range(0, 1000, 13)]
    for order in (parts, parts[::-1], parts[1::2] + parts[::2]):
        tap.expect(sum(part.totals for part in order) == whole.totals)
        merged = lossd.merge(order)
        tap.expect(merged.totals == whole.totals)
        for name in outputs:
            tap.expect(float(merged[name]) == float(whole[name]), name)
    tap.expect(pickle.loads(pickle.dumps(whole.totals)) == whole.totals)
    plain = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, totals="plain").totals
    error = tap.expect_raises(TypeError, lambda: whole.totals + plain, "totals[1] has no state")
    tap.expect(error.code == "wrong_type")
    other = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, label_smoothing=0.1).totals
    tap.expect_raises(ValueError, lambda: whole.totals + other, "totals[1]")
    tap.expect_raises(TypeError, lambda: lossd.merge(["x"]), "totals[0]")
    tap.expect_raises(ValueError, lambda: lossd.merge([]))
    tap.expect_raises(TypeError, lambda: whole.totals + 1)


def test_narrow_types_of_ml_dtypes(_):
    if not tap.is_there("ml_dtypes"):
        raise tap.Skip("there is no ml_dtypes here: make test-python installs it")
    import ml_dtypes

    x, y = logits(), classes()
    for dtype in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.float16):
        narrow = x.astype(dtype)
        wide = narrow.astype("f4")
        for _ in range(2):
            tap.expect(F.cross_entropy(narrow, y) == F.cross_entropy(wide, y), dtype)
        result = lossd.evaluate("cross_entropy", {"logits": narrow, "targets": y}, ["grad", "lse"])
        tap.expect(result.grad.dtype == dtype and result.lse.dtype == np.float32, result.grad.dtype)
        want = lossd.evaluate("cross_entropy", {"logits": wide, "targets": y}, ["grad"]).grad
        tap.expect((result.grad == want.astype(dtype)).all(), dtype)


def test_all_integer_types_of_targets(_):
    x, y = logits(), classes()
    want = F.cross_entropy(x, y)
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        tap.expect(problems.same_bits(F.cross_entropy(x, y.astype(kind)), want), kind)


def test_threads_share_nothing(_):
    wants = [F.cross_entropy(logits(8, 10, s), classes(8, 10, s)) for s in range(20)]

    def work(seed):
        x, y = logits(8, 10, seed % 20), classes(8, 10, seed % 20)
        return all(problems.same_bits(F.cross_entropy(x, y), wants[seed % 20]) for _ in range(50))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        tap.expect(all(pool.map(work, range(200))))


def test_the_number_of_threads_changes_no_bits(_):
    x, y = logits(3000, 300), classes(3000, 300)
    before = lossd.get_num_threads()
    try:
        answers = []
        for n in (1, 2, 5):
            lossd.set_num_threads(n)
            tap.expect(lossd.get_num_threads() == n)
            answers.append(F.cross_entropy(x, y))
        tap.expect(len({a.tobytes() for a in answers}) == 1)
        for wrong in (0, -1):
            tap.expect_raises(ValueError, lambda wrong=wrong: lossd.set_num_threads(wrong), "1 or more")
    finally:
        lossd.set_num_threads(before)


def test_a_forked_child_evaluates_on_one_thread(_):
    x, y = logits(3000, 300), classes(3000, 300)
    lossd.set_num_threads(max(2, lossd.get_num_threads()))
    want = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"])
    child = os.fork()
    if child == 0:
        got = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"])
        good = lossd.get_num_threads() == 1 and problems.same_bits(got.grad, want.grad)
        good = good and F.cross_entropy(x, y) == want.loss and F.cross_entropy(x, y) == want.loss
        del got, want
        gc.collect()
        try:
            lossd.set_num_threads(2)
            good = False
        except RuntimeError:
            lossd.set_num_threads(1)
        os._exit(0 if good else 1)
    tap.expect(os.waitpid(child, 0)[1] == 0, "the child failed")


def test_memory_does_not_grow(_):
    from lossd import _local

    x, y = logits(500, 1000), classes(500, 1000)
    for i in range(400):
        lossd.evaluate("cross_entropy", {"logits": x[: 400 + i % 100], "targets": y[: 400 + i % 100]}, ["grad"])
        F.cross_entropy(x[: 1 + i], y[: 1 + i])
    gc.collect()
    tap.expect(len(_local._state.home.met) <= _local.REMEMBERED)
    held = _local.library.loss_budget_held(_local._process.budget)
    kept = _local.library.loss_budget_kept(_local._process.budget)
    tap.expect(held < 1 << 20, held)
    tap.expect(kept < 64 << 20, kept)
    lossd.release_memory()
    tap.expect(_local.library.loss_budget_kept(_local._process.budget) == 0)


def test_errors_leave_nothing_behind(_):
    x, y = logits(), classes()
    for _ in range(300):
        tap.expect_raises(ValueError, lambda: F.cross_entropy(x, y + 10))
        tap.expect_raises(ValueError, lambda: lossd.evaluate("cross_entropy", {"x": x}))
    tap.expect(abs(F.cross_entropy(x, y) - reference(x, y)) < 1e-6)


if __name__ == "__main__":
    tap.main(globals())
