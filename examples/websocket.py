"""A small WebSocket client (RFC 6455), standard library only: text frames, masking, fragments, ping and pong, close. For examples and tests."""

import base64
import hashlib
import os
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CONTINUATION, _CLOSE, _PING, _PONG = 1, 0, 8, 9, 10
MAX_MESSAGE = 16 << 20


class Refused(Exception):
    """The server answered the handshake with another status than 101."""

    def __init__(self, status, body):
        super().__init__(f"status {status}")
        self.status, self.body = status, body


class Closed(Exception):
    """The connection ended; code is the close code, 1006 without a close frame."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class WebSocket:
    """A connection. Not for several threads. recv answers pings by itself, so it has to be called now and then."""

    def __init__(self, url, subprotocol=None, timeout=10.0, headers=None):
        parts = urlsplit(url)
        secure = parts.scheme in ("wss", "https")
        port = parts.port or (443 if secure else 80)
        self._buffer = bytearray()
        self._closing = False
        self._sock = socket.create_connection((parts.hostname, port), timeout)
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                self._sock = ssl.create_default_context().wrap_socket(self._sock, server_hostname=parts.hostname)
            self._handshake(parts, subprotocol, headers or {}, time.monotonic() + timeout)
        except BaseException:
            self._sock.close()
            raise

    def _handshake(self, parts, subprotocol, headers, deadline):
        key = base64.b64encode(os.urandom(16)).decode()
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = {"Host": parts.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        if subprotocol:
            lines["Sec-WebSocket-Protocol"] = subprotocol
        lines.update(headers)
        head = f"GET {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        self._sock.sendall(head.encode())
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > 65536:
                raise Refused(0, "the answer has no end")
            self._fill(deadline)
        answer, self._buffer = bytes(self._buffer).split(b"\r\n\r\n", 1)
        self._buffer = bytearray(self._buffer)
        rows = answer.decode("latin-1").split("\r\n")
        status = int(rows[0].split(" ")[1])
        if status != 101:
            raise Refused(status, bytes(self._buffer).decode("utf-8", "replace"))
        fields = {k.strip().lower(): v.strip() for k, v in (r.split(":", 1) for r in rows[1:])}
        want = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
        if fields.get("sec-websocket-accept") != want:
            raise Refused(status, "bad Sec-WebSocket-Accept")
        self.subprotocol = fields.get("sec-websocket-protocol")

    def send(self, text):
        """Sends a text message."""
        self._send(_TEXT, text.encode())

    def ping(self, data=b""):
        """Sends a ping frame (at most 125 bytes)."""
        self._send(_PING, data)

    def recv(self, deadline):
        """Returns the next text message. TimeoutError at deadline (time.monotonic), Closed at the end of the connection."""
        parts, kind = bytearray(), None
        while True:
            final, opcode, data = self._frame(deadline)
            if opcode == _PING:
                self._send(_PONG, data)
            elif opcode == _CLOSE:
                self._closed(data)
            elif opcode == _PONG:
                continue
            else:
                if (opcode == _CONTINUATION) != (kind is not None) or opcode not in (_CONTINUATION, _TEXT):
                    self._fail(1002, "unexpected frame")
                kind = opcode
                parts += data
                if len(parts) > MAX_MESSAGE:
                    self._fail(1009, "message too big")
                if final:
                    return parts.decode("utf-8")

    def close(self, code=1000, timeout=5.0):
        """Says good-bye and waits for the other side's; returns the close code that it sent (1006 if none)."""
        deadline = time.monotonic() + timeout
        try:
            self._send(_CLOSE, struct.pack("!H", code))
            self._closing = True
            while True:
                self.recv(deadline)
        except Closed as err:
            return err.code
        except OSError:  # a timeout, too
            return 1006
        finally:
            self._sock.close()

    def abort(self):
        """Ends the connection without a word, as a crash does."""
        self._sock.close()

    def _closed(self, data):
        code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
        if not self._closing:
            try:
                self._send(_CLOSE, data[:2])
            except OSError:
                pass  # it has gone
        self._sock.close()
        raise Closed(code, data[2:].decode("utf-8", "replace"))

    def _fail(self, code, reason):
        try:
            self._send(_CLOSE, struct.pack("!H", code))
        finally:
            self._sock.close()
        raise Closed(code, reason)

    def _send(self, opcode, data):
        head = bytearray([0x80 | opcode])
        if len(data) < 126:
            head.append(0x80 | len(data))
        elif len(data) < 1 << 16:
            head += struct.pack("!BH", 0x80 | 126, len(data))
        else:
            head += struct.pack("!BQ", 0x80 | 127, len(data))
        mask = os.urandom(4)
        self._sock.settimeout(10)
        self._sock.sendall(bytes(head) + mask + _masked(data, mask))

    def _frame(self, deadline):
        head = self._peek(2, deadline)
        size, at = head[1] & 0x7F, 2
        if head[0] & 0x70 or head[1] & 0x80:
            self._fail(1002, "reserved bits or a masked frame")
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(self._peek(at, deadline)[2:at], "big")
        if size > MAX_MESSAGE:
            self._fail(1009, "frame too big")
        data = bytes(self._peek(at + size, deadline)[at:at + size])
        opcode, final = head[0] & 0x0F, bool(head[0] & 0x80)
        del self._buffer[:at + size]  # only now: a timeout must not lose half a frame
        return final, opcode, data

    def _peek(self, n, deadline):
        while len(self._buffer) < n:
            self._fill(deadline)
        return bytes(self._buffer[:n])

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self._sock.settimeout(left)
        try:
            data = self._sock.recv(65536)
        except socket.timeout as err:
            raise TimeoutError("nothing came in time") from err
        except ConnectionError as err:
            raise Closed(1006, str(err)) from err
        if not data:
            raise Closed(1006, "no close frame")
        self._buffer += data


def _masked(data, mask):
    n = len(data)
    long_mask = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "big") ^ int.from_bytes(long_mask, "big")).to_bytes(n, "big")
