"""Builds the Python package for pip (PEP 517), with the Makefile and Python's own library alone.

    backend.py wheel FOLDER     the wheel for other machines (make wheel): the shared libraries that
                                the program and libloss need are in it, but those of the C library
    backend.py sdist FOLDER     the sources, which pip builds where there is no wheel to fit

A wheel that pip builds is for the machine that builds it, and brings no libraries.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = "lossd"
#: What the sdist has of the tree, as far as git knows it.
SOURCES = ("Makefile", "LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "src", "server", "api", "config")
#: Of the C library, which every machine has of its own.
SYSTEM_LIBRARIES = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|nsl))\.so(\.\d+)*$")
METADATA = """\
Metadata-Version: 2.1
Name: lossd
Version: {version}
Summary: Loss functions as PyTorch has them, to the last bit: in process, or by a server
License: {license}
Requires-Python: >=3.9
Requires-Dist: numpy
Classifier: Programming Language :: Python :: 3
Classifier: Programming Language :: C
Classifier: Operating System :: POSIX :: Linux
Classifier: Typing :: Typed
Description-Content-Type: text/markdown

{readme}"""
#: Put on the PATH: becomes the program at once, without importing the package.
SCRIPT = b"""#!python
import importlib.util
import os
import sys

folder = importlib.util.find_spec("lossd").submodule_search_locations[0]
os.execv(os.path.join(folder, "bin", "lossd"), sys.argv)
"""


def version() -> str:
    """The one of the library: there is no other."""
    header = (ROOT / "src" / "loss.h").read_text()
    return re.search(r'#define LOSS_VERSION "(.*)"', header).group(1)


def license_name() -> str:
    return (ROOT / "LICENSE").read_text().splitlines()[0].replace(" License", "")


def metadata() -> bytes:
    readme = (ROOT / "api" / "python" / "README.md").read_text()
    return METADATA.format(version=version(), license=license_name(), readme=readme).encode()


def dist_info() -> str:
    return f"{NAME}-{version()}.dist-info"


# ---------------------------------------------------------------- what is built


def build_folder() -> Path:
    return ROOT / os.environ.get("BUILD", "build")


def make() -> Path:
    """The package as the Makefile makes it."""
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    command = ["make", jobs, f"BUILD={os.environ.get('BUILD', 'build')}", f"PYTHON={sys.executable}", "python-package"]
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=sys.stderr)
    return build_folder() / "python" / NAME


def needed_libraries(package: Path) -> dict[str, Path]:
    """What the program and the library are linked to, by the names that they look for."""
    found = {}
    for binary in [package / "bin" / "lossd", *(package / "lib").glob("libloss.so*")]:
        said = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
        for name, path in re.findall(r"^\s*(\S+) => (\S*)", said, re.MULTILINE):
            if not SYSTEM_LIBRARIES.match(name):
                if not path.startswith("/"):
                    raise RuntimeError(f"{binary} needs {name}, which is not here")
                found[name] = Path(path)
    return found


def notices(libraries: dict[str, Path]) -> dict[str, bytes]:
    """What the packages of these libraries say of their licences, where dpkg knows them."""
    found = {}
    if not shutil.which("dpkg-query"):
        return found
    for path in libraries.values():
        for candidate in (path, path.resolve(), Path("/usr") / str(path.resolve())[1:]):
            said = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True).stdout
            package = said.split(":")[0]
            text = Path("/usr/share/doc") / package / "copyright"
            if package and text.exists():
                found[package] = text.read_bytes()
                break
    return found


def glibc() -> str:
    """The version of the C library that all of it was linked with: "2_36"."""
    return "_".join(os.confstr("CS_GNU_LIBC_VERSION").split()[1].split(".")[:2])


def platform_tag(bundled: bool) -> str:
    if bundled:
        return f"manylinux_{glibc()}_{platform.machine()}"
    return re.sub(r"[-.]", "_", sysconfig.get_platform())


# ---------------------------------------------------------------- the wheel


class Wheel:
    """A zip file with a record of what is in it; the same files give the same bytes."""

    def __init__(self, path: Path) -> None:
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.record: list[str] = []

    def add(self, name: str, content: bytes, executable: bool = False) -> None:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self.zip.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(content)}\n")

    def close(self) -> None:
        name = f"{dist_info()}/RECORD"
        self.record.append(f"{name},,\n")
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o100644 << 16
        self.zip.writestr(entry, "".join(self.record))
        self.zip.close()


def write_wheel(folder: str, bundled: bool) -> str:
    package = make()
    tag = f"py3-none-{platform_tag(bundled)}"
    name = f"{NAME}-{version()}-{tag}.whl"
    wheel = Wheel(Path(folder) / name)
    for path in sorted(package.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            wheel.add(f"{NAME}/{path.relative_to(package)}", path.read_bytes(), os.access(path, os.X_OK))
    libraries = needed_libraries(package) if bundled else {}
    for soname, path in sorted(libraries.items()):
        wheel.add(f"{NAME}/lib/{soname}", path.read_bytes(), True)
    wheel.add(f"{NAME}-{version()}.data/scripts/lossd", SCRIPT, True)
    for origin, text in sorted(notices(libraries).items()):
        wheel.add(f"{dist_info()}/licenses/{origin}", text)
    wheel.add(f"{dist_info()}/licenses/LICENSE", (ROOT / "LICENSE").read_bytes())
    wheel.add(f"{dist_info()}/METADATA", metadata())
    head = f"Wheel-Version: 1.0\nGenerator: lossd\nRoot-Is-Purelib: false\nTag: {tag}\n"
    wheel.add(f"{dist_info()}/WHEEL", head.encode())
    wheel.close()
    return name


# ---------------------------------------------------------------- what pip calls


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    return write_wheel(wheel_directory, bundled=False)


def tracked() -> list[str]:
    """The files of the sdist: those that git knows, or, in an sdist, those that are there."""
    known = subprocess.run(["git", "ls-files", "--", *SOURCES], cwd=ROOT, capture_output=True, text=True)
    if known.returncode == 0 and known.stdout:
        return known.stdout.splitlines()
    found = [p for source in SOURCES for p in ([ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*"))]
    return sorted(str(p.relative_to(ROOT)) for p in found if p.is_file() and "__pycache__" not in p.parts)


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    top = f"{NAME}-{version()}"
    with tarfile.open(Path(sdist_directory) / f"{top}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in tracked():
            archive.add(ROOT / name, f"{top}/{name}")
        entry = tarfile.TarInfo(f"{top}/PKG-INFO")
        entry.size = len(metadata())
        archive.addfile(entry, io.BytesIO(metadata()))
    return f"{top}.tar.gz"


def main() -> None:
    what, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    name = write_wheel(folder, bundled=True) if what == "wheel" else build_sdist(folder)
    print(os.path.join(folder, name))


if __name__ == "__main__":
    main()
