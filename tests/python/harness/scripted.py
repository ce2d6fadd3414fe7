"""A server that does what a test says: for what the real one does seldom."""

import http.server
import json
import socket
import threading

LOSS = 1.5


def safetensors(loss=LOSS):
    """The reply to an evaluation whose loss is this float."""
    import struct

    metadata = {"totals": json.dumps({"loss_sum": loss, "denominator": 1.0, "rows": 1, "counted": 1, "ignored": 0})}
    header = {"__metadata__": metadata, "loss": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + struct.pack("<f", loss)


class Scripted:
    """``script`` has a step for each request: (status, headers, body), or a word.

    "close": the connection is closed without a reply; "half": after half of one. After the last
    step every request gets the loss. ``requests`` has the headers of all that came.
    """

    def __init__(self, *script):
        self.script, self.requests, self.connections = list(script), [], 0
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.connections += 1

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append(dict(self.headers.items()))
                outer.answer(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def answer(self, handler):
        step = self.script.pop(0) if self.script else None
        if step == "close":
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif step == "half":
            handler.send_response(200)
            handler.send_header("Content-Type", "application/x-safetensors")
            handler.send_header("Content-Length", str(len(safetensors())))
            handler.end_headers()
            handler.wfile.write(safetensors()[:20])
            handler.close_connection = True
        elif step == "hang":
            self.released.wait(60)
            handler.close_connection = True
        else:
            self.reply(handler, *(step or (200, {"Content-Type": "application/x-safetensors"}, safetensors())))

    def reply(self, handler, status, headers, body):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        if headers.get("Connection") == "close":
            handler.close_connection = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def problem(status, code, **headers):
    """A step: a problem document."""
    body = json.dumps({"status": status, "code": code, "detail": f"it is {code}", "request_id": "r"}).encode()
    return status, {"Content-Type": "application/problem+json", **headers}, body
