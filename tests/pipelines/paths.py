"""Where the tests of this folder find what they use; imported before anything else is."""

import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("BUILD") or os.path.join(ROOT, "build"))
FOLDERS = (HERE, os.path.join(ROOT, "tests", "interop"), os.path.join(ROOT, "api", "examples", "pipelines"),
           os.path.join(BUILD, "python"))

sys.path[1:1] = FOLDERS
# Engines start Python anew, elsewhere.
os.environ["PYTHONPATH"] = os.pathsep.join([*FOLDERS, os.environ.get("PYTHONPATH", "")])
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.chdir(ROOT)


def need_program(name):
    """Ends the program, all of it skipped, where there is no such program."""
    if shutil.which(name) is None:
        print("1..1")
        print(f"ok 1 - all of it # SKIP there is no {name} here")
        sys.exit(0)
