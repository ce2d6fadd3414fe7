"""The wires of programs in other languages: children that read problems and print results, a line each."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile

import numpy as np

from .problem import DTYPES, NAMES, Result
from .tap import Skip
from .wires import NARROW, totals_of

HERE = "tests/interop"


def _line(problem):
    tensors = [
        {
            "name": name,
            "dtype": NAMES[tensor.dtype],
            "shape": tensor.shape,
            "data": base64.b64encode(tensor.tobytes()).decode(),
        }
        for name, tensor in problem.tensors.items()
    ]
    members = {"loss": problem.loss, "arguments": problem.arguments, "outputs": problem.outputs}
    return json.dumps({**members, "tensors": tensors}) + "\n"


def _array(output):
    data = base64.b64decode(output["data"])
    return np.frombuffer(data, DTYPES[output["dtype"]]).reshape(output["shape"])


class Program:
    """A running child; as a context it is ended."""

    def __init__(self, language, wire, command, largest=2**64):
        self.name = f"{language}, {wire}"
        self.wire, self.largest = wire, largest  # whole number that its JSON reader keeps
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()

    def carries(self, problem):
        numbers = [n for n in problem.arguments.values() if isinstance(n, int)]
        fits = all(abs(number) <= self.largest for number in numbers)
        return fits and (self.wire != "oip" or not problem.dtypes() & NARROW)

    def evaluate(self, problem):
        self.child.stdin.write(_line(problem))
        self.child.stdin.flush()
        reply = json.loads(self.child.stdout.readline())
        if "error" in reply:
            raise RuntimeError(reply["error"])
        outputs = {output["name"]: _array(output) for output in reply["outputs"] or []}
        return Result(outputs, totals_of(reply["totals"] or {}))


@contextlib.contextmanager
def go(wire, url):
    """Built with what is installed: no cgo, no modules of others, no newer toolchain."""
    if not shutil.which("go"):
        raise Skip("there is no go")
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "CGO_ENABLED": "0",
            "GOFLAGS": "-mod=mod",
            "GOPROXY": "off",
            "GOTOOLCHAIN": "local",
            "GOCACHE": os.path.abspath(os.path.join(os.environ.get("BUILD", "build"), "go-cache")),
        }
        program = os.path.join(folder, "interop")
        command = ["go", "build", "-o", program, "."]
        subprocess.run(command, cwd=f"{HERE}/go", env=environment, check=True)
        with Program("Go", wire, [program, wire, url]) as child:
            yield child


def javascript(wire, url):
    if not shutil.which("node"):
        raise Skip("there is no node")
    if subprocess.run(["node", "-e", "fetch"], capture_output=True, check=False).returncode:
        raise Skip("this node has no fetch")
    return Program("JavaScript", wire, ["node", f"{HERE}/js/main.mjs", wire, url], 2**53)
