#!/usr/bin/env python3
"""Client and AsyncClient against the real server, and against one that does what it should not."""

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import pickle
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import tap

tap.need("numpy")

import numpy as np

import lossd
from harness import problems
from harness.scripted import LOSS, Scripted, problem
from lossd import _wire

X = np.eye(4, 6, dtype="f4")
Y = np.arange(4)


class Blocking:
    """An AsyncClient whose methods are waited for: tests of both are one."""

    def __init__(self, *arguments, **settings):
        self.loop = asyncio.new_event_loop()
        self.client = lossd.AsyncClient(*arguments, **settings)

    def __getattr__(self, name):
        return lambda *a, **k: self.loop.run_until_complete(getattr(self.client, name)(*a, **k))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.run_until_complete(self.client.close())
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


BOTH = (lossd.Client, Blocking)


@contextlib.contextmanager
def real():
    with lossd.serve(threads=2) as server:
        yield server


def same(result, want):
    for name in want:
        tap.expect(problems.same_bits(result[name], want[name]), name)
    tap.expect(list(result) == list(want), list(result))
    tap.expect(result.totals == want.totals, result.totals)


def test_every_loss_has_the_bits_of_the_process(server):
    for kind in BOTH:
        with kind(server.url) as client:
            for name, tensors in problems.everything():
                outputs = list(problems.outputs_of(name, tensors))
                tap.expect(outputs, name)
                same(client.evaluate(name, tensors, outputs), lossd.evaluate(name, tensors, outputs))


def test_functions_are_the_same(server):
    for kind in BOTH:
        with kind(server.url) as client:
            for call in (
                lambda f: f.cross_entropy(X, Y, label_smoothing=0.1, reduction="none"),
                lambda f: f.cross_entropy(X, Y, np.linspace(1, 2, 6), softcap=3, class_axis=-1),
                lambda f: f.softmax(X.reshape(1, 2, 3, 4), 2),
                lambda f: f.log_softmax(X, 0),
                lambda f: f.binary_cross_entropy_with_logits(X, X, pos_weight=np.ones(6, "f4") * 2),
            ):
                tap.expect(problems.same_bits(call(client), call(lossd.functional)))


def test_large_tensors_come_and_go(server):
    x, y = np.random.default_rng(1).standard_normal((3000, 1000)), np.zeros(3000, "i8")
    want = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"])
    for kind in BOTH:
        with kind(server.url) as client:
            same(client.evaluate("cross_entropy", {"logits": x, "targets": y}, ["loss", "grad"]), want)


def test_tensors_are_sent_from_where_they_lie(_):
    x = np.zeros((500, 100), "f4")
    request = _wire.evaluation(lossd._local.LOCAL._loss("cross_entropy"), {"logits": x, "targets": np.zeros(500, "i8")}, ("loss",), {})  # fmt: skip
    x[:] = 7.0
    tap.expect(bytes(request.pieces[-1]) == x.tobytes(), "what is sent is a copy")
    tap.expect([len(piece) for piece in request.pieces[1:]] == [4000, 200000])
    tap.expect(len(request.pieces[0]) % 8 == 0)


def test_errors_are_those_of_the_process(server):
    wrong = (
        ("cross_entropy", {"logits": X, "targets": Y + 4}, {}),
        ("cross_entropy", {"logits": X, "targets": Y[:3]}, {}),
        ("cross_entropy", {"logits": X.astype("i4"), "targets": Y}, {}),
        ("cross_entropy", {"logits": X, "targets": Y}, {"label_smoothing": 2}),
        ("cross_entropy", {"logits": X, "targets": Y}, {"label_smoothing": 2, "softcap": -1}),
        ("cross_entropy", {"logits": X, "targets": Y}, {"label_smoothing": "a"}),
        ("cross_entropy", {"logits": X, "targets": Y}, {"reduction": "men"}),
        ("cross_entropy", {"logits": X}, {}),
        ("cross_entropy", {"logits": X, "labels": Y}, {}),
        ("cross_entropy", {"logits": [1], "targets": Y}, {}),
    )
    for kind in BOTH:
        with kind(server.url) as client:
            for loss, tensors, arguments in wrong:
                want = tap.expect_raises(
                    lossd.LossError, lambda: lossd.evaluate(loss, tensors, **arguments)
                )
                error = tap.expect_raises(
                    type(want), lambda: client.evaluate(loss, tensors, **arguments), str(want)
                )
                tap.expect((error.code, error.pointer) == (want.code, want.pointer), error.code, error.pointer)
                tap.expect([e["pointer"] for e in error.errors] == [e["pointer"] for e in want.errors])
            error = tap.expect_raises(ValueError, lambda: client.evaluate("cros_entropy", {"logits": X}))
            tap.expect(error.code == "unknown_loss" and error.status == 404 and error.request_id)


def test_names_that_need_quoting_are_losses_that_are_not(server):
    for name in ("a b", "../x", "ä", "", "a/b", "%41"):
        with lossd.Client(server.url) as client:
            error = tap.expect_raises(lossd.LossError, lambda: client.evaluate(name, {"logits": X}))
            tap.expect(error.status in (404, 405), name, error.status)


def test_connections_are_kept(_):
    for kind in BOTH:
        with Scripted() as fake, kind(fake.url) as client:
            for _ in range(20):
                tap.expect(client.cross_entropy(X, Y) == LOSS)
            tap.expect(fake.connections == 1, fake.connections)


def test_one_that_was_closed_meanwhile_is_made_anew(_):
    for kind in BOTH:
        with Scripted(None, "close", None, "close") as fake, kind(fake.url, retries=0) as client:
            for _ in range(3):
                tap.expect(client.cross_entropy(X, Y) == LOSS)
            tap.expect(fake.connections == 3, fake.connections)


def test_a_server_that_closes_after_each_reply(_):
    step = (200, {"Content-Type": "application/x-safetensors", "Connection": "close"})
    from harness.scripted import safetensors

    for kind in BOTH:
        with Scripted(*[(*step, safetensors())] * 3) as fake, kind(fake.url, retries=0) as client:
            for _ in range(3):
                tap.expect(client.cross_entropy(X, Y) == LOSS)
            tap.expect(fake.connections == 3, fake.connections)


def test_full_and_leaving_servers_are_asked_again(_):
    busy = [problem(429, "queue_full", **{"Retry-After": "0"}), problem(503, "draining"), (503, {}, b"")]
    for kind in BOTH:
        with Scripted(*busy) as fake, kind(fake.url, retries=3, key="secret") as client:
            tap.expect(client.cross_entropy(X, Y) == LOSS)
            tap.expect(len(fake.requests) == 4)
            tap.expect(len({r["X-Request-Id"] for r in fake.requests}) == 1, "attempts have one id")
            tap.expect({r["Authorization"] for r in fake.requests} == {"Bearer secret"})
            left = [int(r["X-Request-Timeout-Ms"]) for r in fake.requests]
            tap.expect(left == sorted(left, reverse=True) and left[0] <= 300000 and left[-1] < left[0], left)
        with Scripted(*busy) as fake, kind(fake.url, retries=2) as client:
            error = tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y))
            tap.expect(len(fake.requests) == 3 and error.status == 503)
        with Scripted(problem(503, "out_of_memory")) as fake, kind(fake.url, retries=0) as client:
            error = tap.expect_raises(MemoryError, lambda: client.cross_entropy(X, Y))
            tap.expect(error.code == "out_of_memory" and error.request_id == "r")


def test_retry_after_is_kept_to(_):
    for kind in BOTH:
        late = problem(429, "rate_limited", **{"Retry-After": "7"})
        with Scripted(late) as fake, kind(fake.url, timeout=5) as client:
            error = tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y))
            tap.expect(error.retry_after == 7.0 and len(fake.requests) == 1, "it would be too late")


def test_other_errors_are_not_asked_again(_):
    for kind in BOTH:
        for status, code, expected in (
            (401, "unauthorized", PermissionError),
            (403, "forbidden", PermissionError),
            (413, "body_too_large", ValueError),
            (500, "internal_error", ConnectionError),
            (504, "deadline_exceeded", TimeoutError),
        ):
            with Scripted(problem(status, code)) as fake, kind(fake.url) as client:
                error = tap.expect_raises(expected, lambda: client.cross_entropy(X, Y), code)
                tap.expect((error.status, error.code) == (status, code) and len(fake.requests) == 1)
        with Scripted((502, {"Content-Type": "text/html"}, b"<html>")) as fake, kind(fake.url) as client:
            tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y), "502")


def test_half_a_reply_is_none(_):
    for kind in BOTH:
        with Scripted("half", "half") as fake, kind(fake.url, retries=1) as client:
            error = tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y))
            tap.expect(error.code == "unreachable" and len(fake.requests) == 2, error)
            tap.expect(client.cross_entropy(X, Y) == LOSS)


def test_replies_that_are_none(_):
    head = {"Content-Type": "application/x-safetensors"}
    for body in (
        b"",
        b"1234567",
        b"\xff" * 20,
        b"\x02" + bytes(7) + b"[]",
        b"\x02" + bytes(7) + b"{}",
        b"\x02" + bytes(7) + b"{x",
        (60).to_bytes(8, "little") + b'{"loss":{"dtype":"F32","shape":[99],"data_offsets":[0,396]}}' + bytes(4),
        (58).to_bytes(8, "little") + b'{"loss":{"dtype":"XXX","shape":[],"data_offsets":[0,4]}}  ' + bytes(4),
        (58).to_bytes(8, "little") + b'{"lose":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  ' + bytes(4),
    ):
        for kind in BOTH:
            with Scripted((200, head, body)) as fake, kind(fake.url, retries=0) as client:
                tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y))
                tap.expect(client.cross_entropy(X, Y) == LOSS)


def test_bodies_that_are_refused_while_they_are_sent(_):
    x, y = np.zeros((4000, 1000), "f4"), np.zeros(4000, "i8")
    with lossd.serve(max_body_bytes=1 << 20) as server:
        for kind in BOTH:
            with kind(server.url) as client:
                for _ in range(3):
                    error = tap.expect_raises(lossd.LossError, lambda: client.cross_entropy(x, y))
                    # asyncio's streams lose what was received where a write fails first.
                    lost = kind is Blocking and error.code == "unreachable"
                    tap.expect(lost or (error.code == "body_too_large" and error.status == 413), error)
                tap.expect(client.cross_entropy(X, Y) == lossd.functional.cross_entropy(X, Y))


def test_a_server_that_hangs_is_waited_for_as_long_as_said(_):
    for kind in BOTH:
        with Scripted("hang") as fake, kind(fake.url, timeout=0.2) as client:
            error = tap.expect_raises(TimeoutError, lambda: client.cross_entropy(X, Y), "0.2 seconds")
            tap.expect(error.code == "deadline_exceeded" and isinstance(error, lossd.DeadlineError))
        with Scripted() as fake, kind(fake.url, timeout=None) as client:
            tap.expect(client.cross_entropy(X, Y) == LOSS)
            tap.expect("X-Request-Timeout-Ms" not in fake.requests[0])


def test_the_deadline_is_the_servers_too(server):
    x = np.zeros((4000, 2000), "f4")
    for kind in BOTH:
        with kind(server.url, timeout=0.0005) as client:
            error = tap.expect_raises(TimeoutError, lambda: client.cross_entropy(x, np.zeros(4000, "i8")))
            tap.expect(error.code == "deadline_exceeded", error)


def test_trace_headers_go_along(_):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for kind in BOTH:
        with Scripted() as fake, kind(fake.url, trace=lambda: {"traceparent": parent}) as client:
            client.cross_entropy(X, Y)
            tap.expect(fake.requests[0]["traceparent"] == parent)


def test_nobody_there(_):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for kind in BOTH:
            with kind(url, retries=1) as client:
                error = tap.expect_raises(ConnectionError, lambda: client.cross_entropy(X, Y), url)
                tap.expect(error.code == "unreachable")
            with kind("unix:/nonexistent/lossd.sock", retries=0) as client:
                tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y), "unix:/nonexistent")


def test_urls(_):
    for url in ("ftp://x", "127.0.0.1:8080", "http://", "http://x/path", "http://x:y"):
        for kind in (lossd.Client, lossd.AsyncClient):
            tap.expect_raises(ValueError, lambda: kind(url), repr(url))
    for url, want in (
        ("http://[::1]:81", ("[::1]:81", "::1", 81)),
        ("http://[::1]", ("[::1]", "::1", 80)),
        ("https://a.b/", ("a.b", "a.b", 443)),
        ("http://a.b:8", ("a.b:8", "a.b", 8)),
    ):
        tap.expect(_wire.address(url)[1:4] == want, url, _wire.address(url))


def test_unix_sockets(_):
    with tempfile.TemporaryDirectory() as folder:
        with lossd.serve(f"unix:{folder}/socket") as server:
            tap.expect(server.url == f"unix:{folder}/socket", server.url)
            want = lossd.functional.cross_entropy(X, Y)
            for kind in BOTH:
                with kind(server.url) as client:
                    tap.expect(client.cross_entropy(X, Y) == want)


def certificate(folder):
    if not shutil.which("openssl"):
        raise tap.Skip("there is no openssl here")
    pem, key = f"{folder}/tls.pem", f"{folder}/tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", key, "-out", pem, "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return pem, key


def test_tls_and_keys(_):
    with tempfile.TemporaryDirectory() as folder:
        pem, key = certificate(folder)
        keys = f"{folder}/keys.json"
        made = subprocess.run(
            [lossd.program(), "key", "new", "trainer", "--file", keys], check=True, capture_output=True, text=True
        )
        secret = made.stdout.strip()
        settings = dict(tls_certificate=pem, tls_key=key, keys_file=keys)
        with lossd.serve("tls:127.0.0.1:0", client={"ca": pem, "key": secret}, **settings) as server:
            want = lossd.functional.cross_entropy(X, Y)
            tap.expect(server.url.startswith("https://"), server.url)
            tap.expect(server.cross_entropy(X, Y) == want)
            for kind in BOTH:
                with kind(server.url, ca=pem, key=secret) as client:
                    tap.expect(client.cross_entropy(X, Y) == want and client.cross_entropy(X, Y) == want)
                with kind(server.url, ca=pem, key="wrong", retries=0) as client:
                    error = tap.expect_raises(PermissionError, lambda: client.cross_entropy(X, Y))
                    tap.expect(error.status == 401 and error.code == "unauthorized")
                with kind(server.url, retries=0) as client:
                    tap.expect_raises(lossd.ServerError, lambda: client.cross_entropy(X, Y), "certificate")


def test_threads_and_forks_share_a_client(server):
    want = lossd.functional.cross_entropy(X, Y)
    with lossd.Client(server.url) as client:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            tap.expect(all(v == want for v in pool.map(lambda _: client.cross_entropy(X, Y), range(200))))
        child = os.fork()
        if child == 0:
            os._exit(0 if all(client.cross_entropy(X, Y) == want for _ in range(5)) else 1)
        tap.expect(os.waitpid(child, 0)[1] == 0, "the child failed")
        tap.expect(client.cross_entropy(X, Y) == want)
        copy = pickle.loads(pickle.dumps(client))
        tap.expect(copy.cross_entropy(X, Y) == want and copy.url == client.url)
        copy.close()


def test_many_at_the_same_time(server):
    async def main():
        async with lossd.AsyncClient(server.url) as client:
            return await asyncio.gather(*(client.cross_entropy(X * i, Y) for i in range(50)))

    answers = asyncio.run(main())
    tap.expect(answers == [lossd.functional.cross_entropy(X * i, Y) for i in range(50)])


def test_a_cancelled_evaluation_leaves_the_client_usable(_):
    async def main(fake):
        async with lossd.AsyncClient(fake.url) as client:
            task = asyncio.ensure_future(client.cross_entropy(X, Y))
            while not fake.requests:
                await asyncio.sleep(0.001)
            task.cancel()
            try:
                await task
                tap.expect(False, "it was not cancelled")
            except asyncio.CancelledError:
                return await client.cross_entropy(X, Y)

    with Scripted("hang") as fake:
        tap.expect(asyncio.run(main(fake)) == LOSS)


def test_totals_of_both_add(server):
    x, y = np.random.default_rng(3).standard_normal((100, 6)).astype("f4"), np.arange(100) % 6
    whole = lossd.evaluate("cross_entropy", {"logits": x, "targets": y}).totals
    with lossd.Client(server.url) as client, lossd.connect("local") as local:
        parts = [
            where.evaluate("cross_entropy", {"logits": x[i::3], "targets": y[i::3]}).totals
            for i, where in enumerate((client, local, client))
        ]
        tap.expect(sum(parts) == whole)
        tap.expect(client.merge(parts).totals == local.merge(parts).totals == whole)
        tap.expect(list(client.losses()) == list(local.losses()))


def test_a_loss_that_only_the_server_knows(server):
    from lossd import _losses

    hidden = _losses.LOSSES.pop("softmax")
    try:
        for kind in BOTH:
            with kind(server.url) as client:
                result = client.evaluate("softmax", {"logits": X}, ["probs", "lse"])
                tap.expect(result.probs.shape == X.shape and list(result) == ["probs", "lse"])
    finally:
        _losses.LOSSES["softmax"] = hidden
        order = list(lossd._tables.TABLES["losses"])
        _losses.LOSSES.update({r["name"]: _losses.LOSSES.pop(r["name"]) for r in order})


def test_a_server_stops_with_its_client(_):
    with lossd.serve() as server:
        pid = server._program.pid
        tap.expect(server.cross_entropy(X, Y) == lossd.functional.cross_entropy(X, Y))
        client = pickle.loads(pickle.dumps(server))
        tap.expect(type(client) is lossd.Client and client.cross_entropy(X, Y) > 0)
        client.close()
    tap.expect(server._program.returncode == 0, server._program.returncode)
    server.close()
    lost = lossd.serve(threads=1, log_level="error")
    pid = lost._program
    del lost
    gc.collect()
    tap.expect(pid.poll() == 0, pid.poll())


def test_a_server_that_does_not_start_says_why(_):
    for settings, words in (({"threads": 0}, "threads"), ({"listen": "127.0.0.1:x"}, "listen"), ({"foo": 1}, "foo")):
        tap.expect_raises(lossd.ServerError, lambda: lossd.serve(**settings), words)


def test_no_thread_is_left(_):
    tap.expect(threading.active_count() == 1, threading.enumerate())


if __name__ == "__main__":
    tap.main(globals(), real)
