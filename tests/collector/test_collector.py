#!/usr/bin/env python3
"""The spans that the real OpenTelemetry Collector has understood, as it prints them, are the requests that were made."""

import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BUILD = os.environ.get("BUILD", "build")
LOSSD = os.environ.get("LOSSD") or os.path.join(BUILD, "lossd")
WHY = os.environ.get("COLLECTOR_WHY")
PATIENCE = 60  # seconds; only what is broken takes them
TRACE, PARENT = "0123456789abcdef" * 2, "fedcba9876543210"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b,c=d"}
EVALUATE = "/v1/losses/cross_entropy"
BODY = json.dumps({"logits": [[1, 2]], "targets": [1]}).encode()
PHASES = ["receive", "decode", "compute", "encode"]


@contextlib.contextmanager
def program(command, log):
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
        process.terminate()
        if process.wait(PATIENCE) != 0:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def await_text(log, pattern, times=1):
    """The last match in a file, once there are so many."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with open(log.name) as file:
            found = list(re.finditer(pattern, file.read()))
        if len(found) >= times:
            return found[-1]
        time.sleep(0.02)
    raise RuntimeError(f"{log.name} never had {pattern} {times} times")


def ask(url, body=None, headers=()):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def parse(text):
    """The spans of the debug exporter's text, as dictionaries of its lines; attributes among them."""
    spans = []
    for block in re.split(r"^Span #\d+\n", text, flags=re.M)[1:]:
        lines = re.findall(r"^ +(?:-> )?([^:\n]+?) *: ?(.*)$", block, flags=re.M)
        spans.append({name: value for name, value in lines})
    return spans


def run(scratch):
    with open(f"{scratch}/collector", "w") as log, open(f"{scratch}/lossd", "w") as own:
        collector = [os.path.join(BUILD, "collector", "otelcol"), "--config", "tests/collector/collector.yaml"]
        with program(collector, log):
            address = await_text(log, r'Starting HTTP server.*"endpoint": "([0-9.:]+)"').group(1)
            await_text(log, "Everything is ready")
            with program([LOSSD, "--listen", "127.0.0.1:0", "--otlp-endpoint", f"http://{address}"], own):
                url = await_text(own, r"lossd: ready on (\S+)").group(1)
                ask(url + EVALUATE, BODY, CONTEXT)
                for _ in range(700):
                    ask(url + "/v2")
                ask(url + "/nowhere%22")
        with open(log.name) as file:
            return parse(file.read())


def test_all_have_come(spans):
    names = collections.Counter(span["Name"] for span in spans)
    return names == {"POST /v1/losses/{loss}": 1, "GET /v2": 700, "GET": 1, **dict.fromkeys(PHASES, 1)} or names


def test_the_trace_is_the_callers(spans):
    mine = [span for span in spans if span["Trace ID"] == TRACE]
    root = mine[0]
    good = [span["Name"] for span in mine] == ["POST /v1/losses/{loss}", *PHASES]
    good = good and root["Parent ID"] == PARENT and root["Kind"] == "Server"
    good = good and all(span["Parent ID"] == root["ID"] and span["Kind"] == "Internal" for span in mine[1:])
    return good and all(span["TraceState"] == "a=b,c=d" for span in mine) or mine


def test_attributes_have_their_types(spans):
    wanted = {
        "http.request.method": "Str(POST)",
        "http.route": "Str(/v1/losses/{loss})",
        "url.path": f"Str({EVALUATE})",
        "http.response.status_code": "Int(200)",
        "http.request.body.size": f"Int({len(BODY)})",
        "lossd.rows": "Int(1)",
        "lossd.loss": "Str(cross_entropy)",
    }
    root = spans[0]
    return all(root.get(name) == value for name, value in wanted.items()) or root


def test_others_begin_traces_of_their_own(spans):
    others = [span for span in spans if span["Trace ID"] != TRACE]
    good = len({span["Trace ID"] for span in others}) == len(others) == 701
    return good and all(span["Parent ID"] == "" for span in others) or others[:2]


TESTS = [value for name, value in list(globals().items()) if name.startswith("test_")]


def main():
    print(f"1..{len(TESTS)}")
    if WHY:
        for i, test in enumerate(TESTS, 1):
            print(f"ok {i} - {test.__name__} # SKIP {WHY}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        spans = run(scratch)
    failed = 0
    for i, test in enumerate(TESTS, 1):
        found = test(spans)
        failed += found is not True
        print(f"{'ok' if found is True else 'not ok'} {i} - {test.__name__}")
        if found is not True:
            print(f"# {found}")
    return 1 if failed else 0


sys.exit(main())
