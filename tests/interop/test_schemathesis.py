#!/usr/bin/env python3
"""schemathesis against the served /openapi.yaml: no reply that the contract does not state, no failure of the server.

500 is stated for everything, as it has to be, and is the failure that must not happen. 503 and 504 are answers: of a
server that drains, to a request whose X-Request-Timeout-Ms is over.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from harness import tap
from harness.daemon import daemon

tap.need("schemathesis")

COMMAND = os.path.join(os.path.dirname(sys.executable), "schemathesis")
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503", "504"]
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
MOST_SECONDS = 150


def run(server, folder):
    config = os.path.join(folder, "schemathesis.toml")
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIG)
    command = [shutil.which("schemathesis") or COMMAND, "--config-file", config, "--no-color", "run"]
    command += [f"{server.url}/openapi.yaml", "--checks", ",".join(CHECKS)]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--seed", "1"]
    command += ["--no-shrink", "--request-timeout", "30", "--warnings", "off"]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HOME": folder},
        timeout=MOST_SECONDS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_every_reply_is_in_the_contract(server):
    with tempfile.TemporaryDirectory() as folder:
        done = run(server, folder)
    tap.expect(done.returncode == 0, done.stdout[-8000:])
    tap.expect("Test cases:" in done.stdout, done.stdout[-2000:])


def test_the_server_is_well_after_it(server):
    tap.expect(server.process.poll() is None, "the server ended")


if __name__ == "__main__":
    tap.main(globals(), daemon)
