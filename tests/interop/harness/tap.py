"""Runs the test_* functions of a module and prints TAP, which tests/run reads."""

import importlib
import os
import sys
import traceback


class Skip(Exception):
    """Raised by a test that can not run here; its text says why."""


def need(*modules):
    """Ends the program, all of it skipped, where a module is missing. Called before they are imported."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            why = os.environ.get("INTEROP_WHY") or "make test-interop installs it"
            print("1..1")
            print(f"ok 1 - all of it # SKIP there is no {module} here: {why}")
            sys.exit(0)


def expect(truth, *what):
    """Fails the test, showing what, unless the truth is true."""
    if not truth:
        raise AssertionError(" ".join(str(w) for w in what))


def expect_raises(kind, call, *words):
    """Calls; returns the exception of that kind that came, which has all the words in its text."""
    try:
        call()
    except kind as error:
        for word in words:
            expect(word in str(error), f"{word!r} is not in {str(error)!r}")
        return error
    raise AssertionError(f"no {kind.__name__} came")


def _say(number, good, name, note=""):
    print("ok" if good else "not ok", number, "-", name, note, flush=True)


def _run(number, name, test):
    try:
        test()
        _say(number, True, name)
        return True
    except Skip as skip:
        _say(number, True, name, f"# SKIP {skip}")
        return True
    except Exception:
        _say(number, False, name)
        for line in traceback.format_exc().rstrip().splitlines():
            print("#", line)
        return False


def main(members, prepare):
    """Runs the functions test_* among a module's members, in order, each with the context that prepare returns."""
    tests = [member for name, member in members.items() if name.startswith("test_")]
    print(f"1..{len(tests)}")
    with prepare() as context:
        good = []
        for number, test in enumerate(tests, 1):
            name = test.__name__.removeprefix("test_").replace("_", " ")
            good.append(_run(number, name, lambda test=test: test(context)))
    sys.exit(not all(good))
