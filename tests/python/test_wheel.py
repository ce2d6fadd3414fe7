#!/usr/bin/env python3
"""The wheel and the sdist: what is in them, and what becomes of them in a virtual environment of their own."""

import base64
import contextlib
import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from harness import tap

tap.need("numpy", "venv", "ensurepip")

import lossd

BACKEND = os.path.join(tap.ROOT, "api", "python", "backend.py")


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, cwd=tap.ROOT, **more)
    tap.expect(done.returncode == 0, command, done.stdout, done.stderr)
    return done.stdout


@contextlib.contextmanager
def built():
    """A folder with both, and an environment with the wheel in it and this Python's NumPy."""
    with tempfile.TemporaryDirectory() as folder:
        for what in ("wheel", "sdist"):
            run(sys.executable, BACKEND, what, folder)
        yield folder


def only(folder, ending):
    (name,) = (name for name in os.listdir(folder) if name.endswith(ending))
    return os.path.join(folder, name)


def test_the_record_is_right(folder):
    with zipfile.ZipFile(only(folder, ".whl")) as wheel:
        names = wheel.namelist()
        info = f"lossd-{lossd.__version__}.dist-info"
        rows = list(csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode())))
        tap.expect(sorted(row[0] for row in rows) == sorted(names))
        for name, digest, size in rows[:-1]:
            content = wheel.read(name)
            want = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            tap.expect((digest, size) == (f"sha256={want}", str(len(content))), name)
        metadata = wheel.read(f"{info}/METADATA").decode()
        needs = re.findall(r"^Requires-Dist: (.*)$", metadata, re.M)
        tap.expect(f"\nVersion: {lossd.__version__}\n" in metadata and needs == ["numpy"], metadata[:400])
        for name in ("lossd/py.typed", "lossd/functional.py", "lossd/bin/lossd", f"{info}/licenses/LICENSE"):
            tap.expect(name in names, name)


def test_it_is_the_same_again(folder):
    with tempfile.TemporaryDirectory() as other:
        run(sys.executable, BACKEND, "wheel", other)
        with open(only(folder, ".whl"), "rb") as one, open(only(other, ".whl"), "rb") as two:
            tap.expect(one.read() == two.read())


def test_it_brings_all_but_the_c_library(folder):
    """Whatever the linker finds for the program and the library in it lies in it, or is the C library's."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(only(folder, ".whl")) as wheel:
            wheel.extractall(place)
        os.chmod(f"{place}/lossd/bin/lossd", 0o755)
        for binary in ("bin/lossd", "lib/libloss.so.0"):
            for line in run("ldd", f"{place}/lossd/{binary}").splitlines():
                path = line.split("=>")[-1].split()[0]
                system = re.match(r"(/\S*/)?(linux-vdso|ld-linux|lib(c|m|resolv|dl|pthread|rt)\.so)", path)
                tap.expect(path.startswith(os.path.realpath(place)) or path.startswith(place) or system, line)


def test_it_runs_where_it_is_installed(folder):
    """In an environment that sees this one's NumPy, and nothing of the tree."""
    with tempfile.TemporaryDirectory() as place:
        run(sys.executable, "-m", "venv", place)
        site = run(f"{place}/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        import numpy

        with open(f"{site}/seen.pth", "w") as seen:
            seen.write(os.path.dirname(os.path.dirname(numpy.__file__)) + "\n")
        run(f"{place}/bin/pip", "install", "-q", "--no-index", "--no-deps", only(folder, ".whl"))
        said = run(
            f"{place}/bin/python",
            "-I",
            "-c",
            "import lossd, numpy; print(lossd.__file__)\n"
            "with lossd.serve() as c: print(c.cross_entropy(numpy.zeros((2, 4), 'f4'), numpy.array([0, 3])))",
        ).splitlines()
        tap.expect(said[0].startswith(site) and said[1] == "1.3862944", said)
        tap.expect(run(f"{place}/bin/lossd", "--version").strip() == f"lossd {lossd.__version__}")
        row = '{"logits": [[0, 0]], "targets": [0]}'
        tap.expect('"loss":0.6931472' in run(f"{place}/bin/lossd", "eval", "-", input=row))


def test_the_sdist_has_what_building_takes(folder):
    with tarfile.open(only(folder, ".tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in ("PKG-INFO", "pyproject.toml", "Makefile", "LICENSE", "src/loss.h", "server/main.c"):
        tap.expect(name in names, name)
    for name in ("api/openapi.yaml", "api/yaml_to_json.c", "api/python/backend.py", "api/python/tables.c"):
        tap.expect(name in names, name)
    tap.expect(not [name for name in names if name.startswith(("build", "tests", "dist"))], names)


if __name__ == "__main__":
    tap.main(globals(), built)
