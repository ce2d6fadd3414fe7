#!/usr/bin/env python3
"""Arrays of JAX: in kind, of every float type that it has."""

from harness import tap

tap.need("numpy", "jax", "ml_dtypes")

import jax
import jax.numpy as jnp
import numpy as np

import lossd
from harness import problems

F = lossd.functional
Y = np.arange(8) % 10


def draw(*shape):
    return jax.random.normal(jax.random.PRNGKey(1), shape) * 3


def test_answers_are_arrays_of_jax(_):
    x, y = draw(8, 10), jnp.asarray(Y)
    for _ in range(2):
        loss = F.cross_entropy(x, y)
        tap.expect(isinstance(loss, jax.Array) and loss.shape == () and loss.dtype == jnp.float32, type(loss))
        tap.expect(float(loss) == float(F.cross_entropy(np.asarray(x), Y)))
    want = -jax.nn.log_softmax(x)[jnp.arange(8), y].mean()
    tap.expect(abs(float(loss) - float(want)) < 1e-6)
    result = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["grad", "lse", "accuracy"])
    tap.expect(all(isinstance(value, jax.Array) for value in result.values()))
    grad = jax.grad(lambda z: -jax.nn.log_softmax(z)[jnp.arange(8), y].mean())(x)
    tap.expect(float(abs(result.grad - grad).max()) < 1e-6)


def test_types_that_numpy_lacks(_):
    for dtype in (jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2):
        x = draw(8, 10).astype(dtype)
        result = lossd.evaluate("cross_entropy", {"logits": x, "targets": Y}, ["loss", "grad"])
        want = lossd.evaluate("cross_entropy", {"logits": np.asarray(x), "targets": Y}, ["loss", "grad"])
        tap.expect(result.grad.dtype == dtype, result.grad.dtype)
        tap.expect(problems.same_bits(result.grad, want.grad) and float(result.loss) == float(want.loss), dtype)


def test_functions_over_any_axis(_):
    x = draw(3, 4, 5)
    for dim in range(3):
        got = F.softmax(x, dim)
        tap.expect(isinstance(got, jax.Array) and float(abs(got - jax.nn.softmax(x, dim)).max()) < 1e-6, dim)


def test_doubles(_):
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        x = draw(8, 10).astype(jnp.float64)
        loss = F.cross_entropy(x, jnp.asarray(Y))
        tap.expect(loss.dtype == jnp.float64 and float(loss) == float(F.cross_entropy(np.asarray(x), Y)))


def test_tracers_are_refused(_):
    tap.expect_raises(TypeError, lambda: jax.jit(lambda z: F.cross_entropy(z, Y))(draw(8, 10)), "traced")


def test_a_server_gives_the_same(_):
    with lossd.serve() as client:
        x = draw(8, 10).astype(jnp.bfloat16)
        there, here = client.cross_entropy(x, Y), F.cross_entropy(x, Y)
        tap.expect(isinstance(there, jax.Array) and there == here)


if __name__ == "__main__":
    tap.main(globals())
