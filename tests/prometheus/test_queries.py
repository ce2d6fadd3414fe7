#!/usr/bin/env python3
"""Every query of the dashboard and of the rules finds data, in a real Prometheus that scrapes the real server.

The traffic has a bit of everything: evaluations large and small, errors of clients and of the server, and requests that
are turned away. Of an alert's expression, which finds something only when there is something wrong, the sides of its
comparisons must find data.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

LOSSD = os.environ.get("LOSSD") or os.path.join(os.environ.get("BUILD", "build"), "lossd")
PATIENCE = 60  # seconds; only what is broken takes them
DASHBOARD = "config/grafana/lossd.json"
RULES = ("alerts.yml", "rules.yml")
EVALUATE = "/v1/losses/cross_entropy"
GOOD = b'{"logits": [[1, 2]], "targets": [1]}'
# A little above what is computed at once: it waits for the compute thread.
LARGE = json.dumps({"logits": [[0] * 1000] * 6000, "targets": [1] * 6000}).encode()
BUDGET = 64 << 20
CONFIG = """
global: {{scrape_interval: 250ms, scrape_timeout: 200ms, evaluation_interval: 250ms}}
rule_files: [alerts.yml, rules.yml]
scrape_configs:
  - job_name: lossd
    static_configs: [{{targets: ["{address}"]}}]
"""


# ------------------------------------------------------------------ queries


def rows_of(path):
    """(kind, name, expression) of each rule, as far as these files' YAML goes: no library is needed for that."""
    with open(path) as file:
        text = file.read()
    for block in re.split(r"(?m)^ *- (?=alert:|record:)", text)[1:]:
        kind, name = re.match(r"(alert|record): (\S+)", block).groups()
        folded = re.search(r"(?m)^( *)expr: (>-\n(?:\1 +.*\n)+|.*)", block).group(2)
        yield kind, name, " ".join(folded.removeprefix(">-").split())


def sides(expression):
    """What an alert compares, without what it compares it with."""
    return re.sub(r" *(==|>|<|>=|<=) *[0-9.* ]+$", "", expression)


def panels(items):
    for panel in items:
        yield panel
        yield from panels(panel.get("panels", []))


def dashboard_queries():
    """What Grafana would put in the place of its variables."""
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    for panel in panels(dashboard["panels"]):
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for note in dashboard["annotations"]["list"]:
        yield note["name"], sides(note["expr"])


def filled(expression):
    for name, value in (("$job", "lossd"), ("$instance", ".*"), ("$__rate_interval", "10s")):
        expression = expression.replace(name, value)
    return expression


def all_queries():
    yield from ((f"dashboard: {name}", filled(expression)) for name, expression in dashboard_queries())
    for path in RULES:
        for kind, name, expression in rows_of(f"config/{path}"):
            yield f"{kind}: {name}", sides(expression) if kind == "alert" else name


# ------------------------------------------------------------------ programs


@contextlib.contextmanager
def program(command, log):
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
        process.terminate()
        if process.wait(PATIENCE) != 0:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {open(log.name).read()[-2000:]}")
    finally:
        process.kill()
        process.wait()


def await_text(process, log, pattern):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        with open(log.name) as file:
            found = re.search(pattern, file.read())
        if found:
            return found.group(1)
        time.sleep(0.02)
    raise RuntimeError(f"{log.name} never had {pattern}: {open(log.name).read()[-2000:]}")


@contextlib.contextmanager
def lossd(scratch):
    certificate, key = f"{scratch}/tls.pem", f"{scratch}/tls.key"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with open(f"{scratch}/lossd", "w") as log:
        command = [LOSSD, "--listen", "127.0.0.1:0", "--memory-budget-bytes", str(BUDGET)]
        command += ["--listen", "tls:127.0.0.1:0", "--tls-certificate", certificate, "--tls-key", key]
        with program(command, log) as process:
            yield await_text(process, log, r"lossd: ready on http://(\S+)")


@contextlib.contextmanager
def prometheus(scratch, address):
    """On a port that it picks itself; it says which."""
    with open(f"{scratch}/prometheus.yml", "w") as file:
        file.write(CONFIG.format(address=address))
    for path in RULES:
        shutil.copy(f"config/{path}", scratch)
    command = ["prometheus", "--web.listen-address=127.0.0.1:0", f"--config.file={scratch}/prometheus.yml"]
    command.append(f"--storage.tsdb.path={scratch}/data")
    with open(f"{scratch}/prometheus", "w") as log, program(command, log) as process:
        port = await_text(process, log, r"Listening on.*address=127\.0\.0\.1:([0-9]+)")
        await_text(process, log, "(Server is ready to receive web requests)")
        yield f"http://127.0.0.1:{port}"


def ask(base, query):
    url = f"{base}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
            return json.load(reply)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{query}: {error.read().decode()}") from None


# ------------------------------------------------------------------ traffic


def send(address, path, body=None, **headers):
    """The status; with Late, the body comes when the deadline of the head has passed."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    late = headers.pop("Late", None)
    with contextlib.closing(connection):
        connection.putrequest("POST" if body else "GET", path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        if body:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if late:
            time.sleep(late)
        if body:
            connection.send(body)
        reply = connection.getresponse()
        reply.read()
        return reply.status


def fill_budget(address):
    """Two bodies that do not fit into it together: one of them is turned away when the other has taken most of it."""
    body = b'{"targets": [0], "logits": [[' + b"1," * (12 << 20) + b"1]]}"
    half = len(body) * 3 // 4
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.putrequest("POST", EVALUATE)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[:half])
        status = send(address, EVALUATE, body)
        # It may have been cut meanwhile, to make room.
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.send(body[half:])
            connection.getresponse().read()
    return status


def round_of_traffic(address):
    """The statuses, which prove that it has been what it should be."""
    return [
        send(address, EVALUATE, GOOD),
        send(address, EVALUATE, LARGE),
        send(address, EVALUATE, b"{}"),
        send(address, "/nowhere"),
        send(address, EVALUATE, GOOD, X_Request_Timeout_Ms="1", Late=0.02),
        fill_budget(address),
    ]


class Traffic(threading.Thread):
    """Rounds of it, until it is told to end."""

    def __init__(self, address):
        super().__init__()
        self.address, self.ended, self.statuses = address, threading.Event(), []

    def run(self):
        while not self.ended.is_set():
            self.statuses.append(round_of_traffic(self.address))


@contextlib.contextmanager
def traffic(address):
    thread = Traffic(address)
    thread.start()
    try:
        yield thread
    finally:
        thread.ended.set()
        thread.join()


# ------------------------------------------------------------------ tests


def is_number(sample):
    return sample["value"][1] != "NaN"


def missing(base, queries):
    """The queries that find nothing but, at best, NaN."""
    return {name: query for name, query in queries.items() if not any(is_number(s) for s in ask(base, query))}


def run(queries):
    """What every query has found in the end, and what the traffic has come to."""
    with tempfile.TemporaryDirectory() as scratch, lossd(scratch) as address:
        with prometheus(scratch, address) as base, traffic(address) as load:
            until, left = time.monotonic() + PATIENCE, queries
            while left and time.monotonic() < until:
                time.sleep(0.2)
                left = missing(base, left)
            rules = json.load(urllib.request.urlopen(f"{base}/api/v1/rules", timeout=PATIENCE))
        return left, load.statuses, [rule for group in rules["data"]["groups"] for rule in group["rules"]]


def tap(number, name, wrong):
    print(f"{'not ok' if wrong else 'ok'} {number} - {name}", flush=True)
    if wrong:
        print(f"# {wrong}")
    return bool(wrong)


def main():
    queries = dict(all_queries())
    names = list(queries)
    count = sum(1 for path in RULES for _ in rows_of(f"config/{path}"))
    print(f"1..{len(names) + 2}")
    if not shutil.which("prometheus"):
        for number, name in enumerate([*names, "traffic", "rules"], 1):
            print(f"ok {number} - {name} # SKIP there is no prometheus here (.ci/packages prometheus)")
        return 0
    left, statuses, rules = run(queries)
    failed = sum(tap(i, name, left.get(name)) for i, name in enumerate(names, 1))
    odd = [status for status in statuses if status != [200, 200, 422, 404, 504, 429]]
    failed += tap(len(names) + 1, "the traffic is as it should be", odd or not statuses)
    unhealthy = [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
    failed += tap(len(names) + 2, "Prometheus evaluates every rule", unhealthy or len(rules) != count)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
