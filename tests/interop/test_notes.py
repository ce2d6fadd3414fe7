#!/usr/bin/env python3
"""What the pages show is so: the bytes of api/wire-formats.md, measured numbers aside."""

import http.client
import re

from harness import tap
from harness.daemon import daemon

NOTES = "api/wire-formats.md"
ROW = re.compile(r"    ([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  |$)")
LENGTH = "Inference-Header-Content-Length"
MEASURED = [
    (re.compile(rb'((?:_seconds|_ns)\\?": *)[0-9.e+-]+'), rb"\g<1>0"),
    (re.compile(rb'(_ns": *)0'), b'_ns":0'),
    (re.compile(rb'(threads\\?":)[0-9]+'), rb"\g<1>0"),
    (re.compile(rb'(isa\\?":\\?")[a-z0-9]+'), rb"\g<1>any"),
]


class Message:
    """A request or a reply: its first line, its headers, its body."""

    def __init__(self, first):
        self.first, self.headers, self.body = first, {}, b""

    def add(self, line):
        row = ROW.match(line)
        if row:
            tap.expect(int(row[1], 16) == len(self.body), "a wrong offset:", line)
            self.body += bytes.fromhex(row[2])
        elif ": " in line and not self.body:
            name, _, value = line.strip().partition(": ")
            self.headers[name] = value


def exchanges():
    """Pairs of messages, in the order of the page."""
    messages = []
    with open(NOTES, encoding="utf-8") as page:
        for line in page:
            if not line.startswith("    "):
                continue
            if line.startswith(("    POST ", "    200")):
                messages.append(Message(line.strip()))
            else:
                messages[-1].add(line)
    return list(zip(messages[::2], messages[1::2]))


def send(server, request):
    connection = http.client.HTTPConnection(server.address, timeout=60)
    connection.request("POST", request.first.split()[1], request.body, request.headers)
    reply = connection.getresponse()
    found = Message(str(reply.status))
    found.headers, found.body = dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def halves(message):
    """The document and the bytes after it; a document may end with spaces, which reserve room."""
    size, start = len(message.body), 0
    if message.headers["Content-Type"] == "application/x-safetensors":
        start = 8
        size = start + int.from_bytes(message.body[:start], "little")
    elif LENGTH in message.headers:
        size = int(message.headers[LENGTH])
    tap.expect(size <= len(message.body), "a length of", size, "in", len(message.body))
    document = message.body[start:size].rstrip(b" ")
    for pattern, neutral in MEASURED:
        document = pattern.sub(neutral, document)
    return document, message.body[size:]


def test_all_formats_are_there(server):
    sent = [request.headers["Content-Type"] for request, _ in exchanges()]
    json, raw = "application/json", "application/octet-stream"
    tap.expect(sent == [json, json, "application/jsonl", "application/x-safetensors", raw, json], sent)


def test_requests_get_the_replies_of_the_page(server):
    for request, want in exchanges():
        got = send(server, request)
        tap.expect(got.first == want.first, request.first, got.first, got.body)
        tap.expect(got.headers["Content-Type"] == want.headers["Content-Type"], got.headers)
        tap.expect((LENGTH in got.headers) == (LENGTH in want.headers), got.headers)
        for mine, theirs in zip(halves(got), halves(want)):
            tap.expect(mine == theirs, f"{request.first}:\n{mine}\nis not the page's\n{theirs}")


def test_text_beside_the_bytes_is_theirs(server):
    with open(NOTES, encoding="utf-8") as page:
        for line in page:
            row = ROW.match(line)
            if row:
                data = bytes.fromhex(row[2])
                text = "".join(chr(b) if 32 <= b < 127 else "." for b in data)
                tap.expect(line[59:].ljust(16)[: len(text)].rstrip() == text.rstrip(), line)


if __name__ == "__main__":
    tap.main(globals(), daemon)
