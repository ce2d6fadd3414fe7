"""The package as it was built, for tests that print TAP: what of tests/interop/harness/tap.py goes for them."""

import contextlib
import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
PACKAGE = os.path.join(BUILD, "python")
sys.dont_write_bytecode = True
sys.path.insert(0, PACKAGE)

_spec = importlib.util.spec_from_file_location(
    "lossd_tests_tap", os.path.join(ROOT, "tests", "interop", "harness", "tap.py")
)
_tap = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_tap)
Skip, expect, expect_raises = _tap.Skip, _tap.expect, _tap.expect_raises


def skip_all(why):
    print("1..1")
    print(f"ok 1 - all of it # SKIP {why}")
    sys.exit(0)


def is_there(module):
    return importlib.util.find_spec(module) is not None


def need(*modules):
    """Ends the program, all of it skipped, where the package or a module can not be had."""
    with open(os.path.join(BUILD, "flags")) as flags:
        if "-fsanitize" in flags.read():
            skip_all("Python is not instrumented")
    if sys.version_info < (3, 9):
        skip_all("Python is older than 3.9")
    for module in modules:
        if not is_there(module):
            skip_all(f"there is no {module} here: make test-python installs it")
    if not is_there("lossd"):
        skip_all(f"there is no package in {PACKAGE}: make python-package")


def main(members, prepare=contextlib.nullcontext):
    _tap.main(members, prepare)
