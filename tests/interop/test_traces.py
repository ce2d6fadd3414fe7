#!/usr/bin/env python3
"""Spans, read by OpenTelemetry's own definitions of them: every member is one that they have, of its type."""

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import queue
import ssl
import tempfile
import threading
import urllib.error
import urllib.request

from harness import tap
from harness.daemon import PATIENCE, daemon

tap.need("google.protobuf", "opentelemetry.proto", "cryptography")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE, PARENT = "0123456789abcdef" * 2, "fedcba9876543210"
CONTEXT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=a/b=,other=1"}
EVALUATE = "/v1/losses/cross_entropy"
IDS = {"traceId", "spanId", "parentSpanId"}


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.documents.put((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def collector(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.documents = queue.Queue()
    server.handle_error = lambda *_: None  # clients that do not like its certificate
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def to_base64(value):
    """OTLP has ids as hexadecimal digits, where the JSON of protocol buffers has bytes as base64."""
    if isinstance(value, list):
        return [to_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode() if name in IDS else to_base64(item)
        for name, item in value.items()
    }


def next_document(server):
    """The next one, read strictly: a member or an enumeration that is not known raises."""
    path, kind, body = server.documents.get(timeout=PATIENCE)
    tap.expect(path == "/v1/traces" and kind == "application/json", path, kind)
    return json_format.ParseDict(to_base64(json.loads(body)), ExportTraceServiceRequest(), ignore_unknown_fields=False)


def ask(url, body=None, headers=()):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **dict(headers)})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return reply.status, reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def spans_of(document):
    (resource,) = document.resource_spans
    (scope,) = resource.scope_spans
    return list(scope.spans)


def attributes(holder):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in holder.attributes}


@contextlib.contextmanager
def prepare():
    with collector() as server, daemon("--otlp-endpoint", f"http://127.0.0.1:{server.server_port}") as lossd:
        yield server, lossd


def test_an_evaluation_is_what_the_definitions_say(context):
    server, lossd = context
    body = json.dumps({"logits": [[1, 2], [3, 4]], "targets": [1, 0]}).encode()
    status, headers = ask(lossd.url + EVALUATE, body, CONTEXT)
    tap.expect(status == 200 and headers["traceparent"] == CONTEXT["traceparent"], status, headers)
    document = next_document(server)
    root, *phases = spans_of(document)
    tap.expect(root.trace_id.hex() == TRACE and root.parent_span_id.hex() == PARENT, root)
    tap.expect(len(root.span_id) == 8 and root.trace_state == CONTEXT["tracestate"], root)
    tap.expect(root.kind == Span.SPAN_KIND_SERVER and root.flags == 0x301, root)
    tap.expect(root.status.code == Status.STATUS_CODE_UNSET, root)
    found = attributes(root)
    tap.expect(found["http.response.status_code"] == 200 and found["lossd.rows"] == 2, found)
    tap.expect(found["http.request.body.size"] == len(body), found)
    tap.expect([span.name for span in phases] == ["receive", "decode", "compute", "encode"], phases)
    for span in phases:
        tap.expect(span.parent_span_id == root.span_id and span.kind == Span.SPAN_KIND_INTERNAL, span)
        inside = root.start_time_unix_nano <= span.start_time_unix_nano < span.end_time_unix_nano
        tap.expect(inside and span.end_time_unix_nano <= root.end_time_unix_nano, span)
    tap.expect(len({span.span_id for span in [root, *phases]}) == 5, "ids are unique")
    who = attributes(document.resource_spans[0].resource)
    tap.expect(who["service.name"] == "lossd" and who["process.pid"] == lossd.process.pid, who)


def test_times_are_those_of_the_wall(context):
    server, lossd = context
    before = datetime.datetime.now().timestamp()
    ask(lossd.url + "/v2")
    after = datetime.datetime.now().timestamp()
    (span,) = spans_of(next_document(server))
    # The end is after the client has its reply.
    tap.expect(before - 0.01 < span.start_time_unix_nano / 1e9 < after + 0.01, before, span, after)
    tap.expect(span.start_time_unix_nano <= span.end_time_unix_nano, span)


def test_hostile_requests_are_read_back(context):
    server, lossd = context
    status, _ = ask(lossd.url + "/%22%7d%5c%00%01%ff%e2%82%ac", headers={"X-Request-Id": '"}],\\u0000'})
    tap.expect(status == 404, status)
    (span,) = spans_of(next_document(server))
    found = attributes(span)
    tap.expect(found["url.path"].startswith('/"}\\'), found)
    tap.expect(found["lossd.request_id"] == '"}],\\u0000', found)
    tap.expect(found["lossd.code"] == "unknown_path" and "error.type" not in found, found)


def own_certificate(folder):
    """A server's, by nobody whom the system trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    with open(f"{folder}/pem", "wb") as file:
        file.write(key.private_bytes(pem, form, serialization.NoEncryption()) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/pem")
    return context


def test_a_certificate_that_nobody_trusts_gets_nothing(_):
    with tempfile.TemporaryDirectory() as folder, collector(own_certificate(folder)) as server:
        with daemon("--otlp-endpoint", f"https://127.0.0.1:{server.server_port}") as lossd:
            tap.expect(ask(lossd.url + "/v2")[0] == 200)
        tap.expect(server.documents.empty(), "a document was sent")


if __name__ == "__main__":
    tap.main(globals(), prepare)
