"""Keeps what arrives: every body as a line of a JSONL file (if there is one), the last 100,000 ids, and the summary of the rooms."""

import hashlib
import json
import os
import threading
import time
from collections import OrderedDict

import rooms

MAX_IDS = 100_000
REASONS = ("signature", "timestamp", "malformed", "too_big", "encoding", "storage")


class Store:
    """Safe for several threads. With a file, add returns only after fsync; a start reads the file back, so that repeats are known then too."""

    def __init__(self, path=None):
        self._lock = threading.Lock()
        self._ids = OrderedDict()  # id -> SHA-256 of the body
        self._rooms = rooms.Rooms()
        self._count = {"received": 0, "stored": 0, "duplicates": 0, "conflicts": 0, "replays": 0, "messages": 0, "sessions": 0}
        self._rejected = dict.fromkeys(REASONS, 0)
        self._by_type = dict.fromkeys(rooms.TYPE_NAMES, 0)
        self._started = int(time.time())
        self._closed = False
        self._file = None  # a descriptor: what a failed write left in a buffer of Python would come out later
        if path:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._load(path)

    def close(self):
        """Ends storing: a later add is refused."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def add(self, webhook_id, body, raw, replay=False, verified=False):
        """Stores a checked body; returns "stored" or "duplicate". OSError: it is not stored, and the sender must be told to try again."""
        digest = hashlib.sha256(raw).hexdigest()
        with self._lock:
            if self._closed:
                raise OSError("the store is closed")
            known = self._ids.get(webhook_id)
            if known is not None:
                self._count["duplicates"] += 1
                self._count["conflicts"] += known != digest  # the same id must mean the same bytes
                return "duplicate"
            if self._file is not None:
                self._write({
                    "id": webhook_id, "received_at": int(time.time()), "event_type": rooms.type_of(body), "replay": replay,
                    "verified": verified, "sha256": digest, "body": body,
                })
            self._count["replays"] += replay
            self._take(webhook_id, body, digest)
            return "stored"

    def received(self):
        with self._lock:
            self._count["received"] += 1

    def rejected(self, reason):
        with self._lock:
            self._rejected[reason] += 1

    def rooms(self):
        with self._lock:
            return self._rooms.list()

    def room(self, room_id):
        with self._lock:
            return self._rooms.get(room_id)

    def stats(self):
        with self._lock:
            return dict(
                self._count, rejected=dict(self._rejected), by_type=dict(self._by_type), rooms=len(self._rooms), started_at=self._started,
                bounds={"ids": MAX_IDS, "rooms": rooms.MAX_ROOMS, "recent_records": rooms.MAX_RECENT, "text": rooms.MAX_TEXT},
            )

    def _take(self, webhook_id, body, digest):
        self._ids[webhook_id] = digest
        if len(self._ids) > MAX_IDS:
            self._ids.popitem(last=False)
        messages, sessions = self._rooms.apply(body)
        self._count["stored"] += 1
        self._count["messages"] += messages
        self._count["sessions"] += sessions
        self._by_type[rooms.type_of(body)] += 1

    def _write(self, line):
        """Appends a line and syncs it. After a fault the file ends where it ended before, so that no half line is in it."""
        data = json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        end = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data):]
            os.fsync(self._file)
        except OSError:
            try:
                os.ftruncate(self._file, end)
            except OSError:
                pass  # the first fault is the one to tell; a start cuts a half line
            raise

    def _load(self, path):
        good = 0
        with open(path, "rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break  # a crash in the middle of a write: it was never answered with 2xx
                try:
                    entry = json.loads(line)
                    if entry["id"] not in self._ids:
                        self._take(entry["id"], entry["body"], entry["sha256"])
                except (ValueError, KeyError, TypeError, AttributeError) as err:
                    raise ValueError(f"{path}, line {number}: {err!r}") from err
                good += len(line)
        os.ftruncate(self._file, good)
