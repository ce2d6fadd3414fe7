#!/usr/bin/env python3
"""What is written of the package runs: examples in its documentation and in api/examples, and its types are those of
mypy where that is installed."""

import doctest
import importlib
import os
import pkgutil
import subprocess
import sys

from harness import tap

tap.need("numpy")

import lossd

EXAMPLES = os.path.join(tap.ROOT, "api", "examples")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    yield lossd
    for found in pkgutil.iter_modules(lossd.__path__):
        yield importlib.import_module(f"lossd.{found.name}")


def test_docstrings_run(_):
    tried = 0
    for module in modules():
        result = doctest.testmod(module, optionflags=OPTIONS)
        tap.expect(result.failed == 0, module.__name__)
        tried += result.attempted
    tap.expect(tried >= 20, tried)


def test_the_readme_runs(_):
    result = doctest.testfile(
        os.path.join(tap.ROOT, "api", "python", "README.md"), module_relative=False, optionflags=OPTIONS
    )
    tap.expect(result.failed == 0 and result.attempted >= 10, result)


def test_every_function_is_described(_):
    for name in lossd.functional.__all__:
        text = getattr(lossd.functional, name).__doc__
        for word in ("Parameters:", "Returns", "Raises", lossd.losses()[name]["summary"].split()[0]):
            tap.expect(word in text, name, word)
    for name in dir(lossd):
        value = getattr(lossd, name)
        if not name.startswith("_") and callable(value):
            tap.expect(value.__doc__, name)


def example(name, *words):
    environment = {**os.environ, "PYTHONPATH": tap.PACKAGE, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, os.path.join(EXAMPLES, name)], capture_output=True, text=True, env=environment, timeout=120
    )
    tap.expect(done.returncode == 0, done.stdout, done.stderr)
    for word in words:
        tap.expect(word in done.stdout, word, "is not in", done.stdout)
    tap.expect("False" not in done.stdout, done.stdout)


def test_shards(_):
    example("python_shards.py", "loss is the same: True", "perplexity is the same: True", "totals are the same: True")


def test_a_training_step(_):
    if not tap.is_there("torch"):
        raise tap.Skip("there is no torch here: make test-python installs it")
    example("python_training.py", "at last: True")


def test_a_data_loader(_):
    if not tap.is_there("torch"):
        raise tap.Skip("there is no torch here: make test-python installs it")
    example("python_data_loader.py", "20 batches, 1280 rows", "True")


def test_types(_):
    if not tap.is_there("mypy"):
        raise tap.Skip("there is no mypy here: make test-python installs it")
    command = [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--cache-dir", os.devnull]
    done = subprocess.run([*command, lossd.__path__[0]], capture_output=True, text=True, cwd=tap.PACKAGE)
    tap.expect(done.returncode == 0, done.stdout[-3000:], done.stderr)


if __name__ == "__main__":
    tap.main(globals())
