#!/usr/bin/env python3
"""A receiver of splitsync's callbacks. Standard library only, Python 3.9 or newer.

    python3 receiver.py --addr 127.0.0.1:8080 --secret whsec_... --file callbacks.jsonl

POST on any path stores a callback; GET /health, /rooms, /rooms/{id}, /stats. It answers 2xx only after the callback is stored (fsync with --file),
so whatever it does not acknowledge is sent again. Bounds: a body is at most --max-body bytes (32 MiB), compressed or not; 8 bodies are in memory at
once, 256 connections are open, 100,000 ids are remembered, and the rooms as rooms.py tells.
"""

import argparse
import hashlib
import json
import signal
import socket
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import rooms
import signature
from store import Store

MAX_BODIES = 8
MAX_CONNECTIONS = 256
MAX_ID = 512


class Refused(Exception):
    """An answer that is not 2xx; reason is a name of /stats."""

    def __init__(self, status, reason, text):
        super().__init__(text)
        self.status, self.reason = status, reason


class Receiver(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, addr, store, keys, max_body):
        self.store, self.keys, self.max_body = store, keys, max_body
        self.bodies = threading.BoundedSemaphore(MAX_BODIES)
        self.connections = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(addr, Handler)

    def process_request(self, request, client_address):
        if not self.connections.acquire(blocking=False):
            self.shutdown_request(request)  # the sender tries again
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, socket.timeout)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "splitsync-example-receiver"
    timeout = 60
    disable_nagle_algorithm = True

    def do_GET(self):
        path = urlsplit(self.path).path
        store = self.server.store
        if path == "/health":
            self._answer(200, {"status": "ok"})
        elif path == "/rooms":
            self._answer(200, store.rooms())
        elif path == "/stats":
            self._answer(200, store.stats())
        elif path.startswith("/rooms/") and store.room(unquote(path[7:])):
            self._answer(200, store.room(unquote(path[7:])))
        else:
            self._answer(404, {"error": "not found"})

    def do_POST(self):
        self.server.store.received()
        try:
            with self.server.bodies:
                self._answer(200, self._take())
        except Refused as err:
            self.server.store.rejected(err.reason)
            self._answer(err.status, {"error": str(err)})

    def _other(self):
        self.close_connection = True  # its body, if any, is not read
        self._answer(405, {"error": "only GET and POST are served"})

    do_PUT = do_DELETE = do_PATCH = _other

    def _take(self):
        wire = self._read()
        raw = self._decode(wire)
        if self.server.keys:
            try:
                signature.verify(self.server.keys, self.headers, [raw] if raw is wire else [raw, wire])
            except signature.Rejected as err:
                raise Refused(401, err.reason, str(err)) from err
        try:
            body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
            rooms.check(body)
        except (ValueError, RecursionError) as err:
            raise Refused(400, "malformed", f"bad body: {err}") from err
        webhook_id = self._id(body, raw)
        try:
            status = self.server.store.add(
                webhook_id, body, raw, replay=self.headers.get("webhook-replay") == "1", verified=bool(self.server.keys))
        except OSError as err:
            raise Refused(503, "storage", "not stored, try again") from err
        return {"status": status, "id": webhook_id, "event_type": rooms.type_of(body)}

    def _id(self, body, raw):
        """The id to dedupe on: the header's; without it (the old server) the body's own, else the body's hash."""
        for webhook_id in (self.headers.get("webhook-id"), body.get("event_id"), body.get("batch_id")):
            if isinstance(webhook_id, str) and webhook_id:
                if len(webhook_id.encode("utf-8", "surrogatepass")) > MAX_ID:
                    raise Refused(400, "malformed", f"the id must have at most {MAX_ID} bytes")
                return webhook_id
        return "sha256:" + hashlib.sha256(raw).hexdigest()

    def _read(self):
        """Reads the body as it is on the wire. When it is refused unread, the connection ends after the answer."""
        most = self.server.max_body
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self._read_chunks(most)
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise Refused(400, "malformed", "bad Content-Length")
        if int(length) > most:
            self.close_connection = True
            raise Refused(413, "too_big", f"the body must have at most {most} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            raise Refused(400, "malformed", "the body ends early")
        return body

    def _read_chunks(self, most):
        parts, total = [], 0
        self.close_connection = True  # until the end has been seen
        while True:
            try:
                size = int(self.rfile.readline(64).split(b";")[0].strip(), 16)
            except ValueError as err:
                raise Refused(400, "malformed", "bad chunk") from err
            total += size
            if size < 0 or total > most:
                raise Refused(413, "too_big", f"the body must have at most {most} bytes")
            if size == 0:
                while self.rfile.readline(8192) not in (b"\r\n", b"\n", b""):
                    pass
                self.close_connection = self.headers.get("connection", "").lower() == "close"
                return b"".join(parts)
            part = self.rfile.read(size)
            if len(part) < size or self.rfile.readline(8) not in (b"\r\n", b"\n"):
                raise Refused(400, "malformed", "bad chunk")
            parts.append(part)

    def _decode(self, wire):
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("", "identity"):
            return wire
        if encoding != "gzip":
            raise Refused(415, "encoding", "Content-Encoding must be gzip or absent")
        most = self.server.max_body
        try:
            stream = zlib.decompressobj(31)
            raw = stream.decompress(wire, most + 1)
        except zlib.error as err:
            raise Refused(400, "malformed", "bad gzip body") from err
        if len(raw) > most:
            raise Refused(413, "too_big", f"the body must have at most {most} bytes")
        if not stream.eof or stream.unused_data:
            raise Refused(400, "malformed", "bad gzip body")
        return raw

    def _answer(self, status, value):
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self._headers_buffer.append(b"\r\n" + body)  # one write for head and body
        self.flush_headers()

    def log_message(self, *args):
        """Says nothing: /stats counts, and bodies do not belong into logs."""


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _settings():
    p = argparse.ArgumentParser(description="Receives splitsync's callbacks.")
    p.add_argument("--addr", default="127.0.0.1:8080", help="host:port to listen on")
    p.add_argument("--secret", action="append", default=[], help="signing secret, whsec_...; several while one replaces another")
    p.add_argument("--secret-file", help="file with one signing secret a line (a command line can be seen by others)")
    p.add_argument("--file", help="JSONL file to store in; without it only the summary is kept, in memory")
    p.add_argument("--max-body", type=int, default=32 << 20, help="bytes a body may have")
    args = p.parse_args()
    try:
        secrets = list(args.secret)
        if args.secret_file:
            with open(args.secret_file, encoding="utf-8") as lines:
                secrets += [line for line in lines.read().split() if line]
        host, port = args.addr.rsplit(":", 1)
        return args, [signature.parse_secret(s) for s in secrets], (host, int(port))
    except (OSError, ValueError) as err:
        p.error(str(err))


def main():
    args, keys, addr = _settings()
    store = Store(args.file)
    server = Receiver(addr, store, keys, args.max_body)

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    checked = f"{len(keys)} signing secret(s)" if keys else "signatures are NOT checked (no --secret)"
    print(f"listening on http://{server.server_address[0]}:{server.server_address[1]}, {checked}", flush=True)
    server.serve_forever()
    server.server_close()
    store.close()


if __name__ == "__main__":
    main()
