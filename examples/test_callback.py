#!/usr/bin/env python3
"""Sends every callback body of splitsync, good and bad, to a receiver and checks the answers. Standard library only.

    python3 test_callback.py --url http://127.0.0.1:8080 --secret whsec_...

Without --secret the bodies are not signed, and the cases about signatures are left out (it says so). With --status-only it looks just at the status
of the answers, for a receiver of your own that has no /rooms and /stats. The exit code is 1 if an answer is not as expected.
"""

import argparse
import gzip
import http.client
import json
import os
import sys
import time
import uuid
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "callback-receiver"))

import callback_bodies  # noqa: E402
import signature  # noqa: E402

WRONG_SECRET = "whsec_d3JvbmcgYnV0IHdlbGwtZm9ybWVkIHNlY3JldA=="


class Check:
    """Sends requests, compares, counts."""

    def __init__(self, url, secret, status_only):
        parts = urlsplit(url)
        self.host, self.path = parts.netloc, parts.path.rstrip("/")
        self.key = signature.parse_secret(secret) if secret else None
        self.status_only = status_only
        self.passed = self.failed = 0

    def request(self, method, path, body=None, headers=None):
        """Returns (status, parsed JSON or None). A connection each, so that no case depends on another."""
        conn = http.client.HTTPConnection(self.host, timeout=30)
        try:
            conn.request(method, self.path + path, body=body, headers=headers or {})
            answer = conn.getresponse()
            data = answer.read()
        finally:
            conn.close()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, None

    def equal(self, name, got, want):
        if got == want:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {name}: got {got!r}, want {want!r}")

    def post(self, name, raw, webhook_id, want_status, want=None, key=None, at=None, wire=None, headers=None, path="/callback"):
        """Posts raw, signed; wire is what to send instead of the signed bytes; want are the fields that the answer must have."""
        at = int(time.time()) if at is None else at
        head = {"Content-Type": "application/json", "webhook-id": webhook_id, "webhook-timestamp": str(at), "Idempotency-Key": webhook_id,
                "X-Delivery-Attempt": "1", "User-Agent": "splitsync/test_callback"}
        if self.key:
            head["webhook-signature"] = signature.sign(key or self.key, webhook_id, at, raw)
        head.update(headers or {})
        head = {k: v for k, v in head.items() if v is not None}
        status, answer = self.request("POST", path, raw if wire is None else wire, head)
        self.equal(name + ": status", status, want_status)
        if want and not self.status_only:
            self.equal(name + ": answer", {k: (answer or {}).get(k) for k in want}, want)


def encode(body):
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def good(c, room, at):
    """Every body is stored; a repeat is acknowledged and not stored again."""
    for name, body in callback_bodies.every(room, at):
        kind = {"legacy": "legacy", "unknown": "unknown"}.get(name, body.get("event_type"))
        webhook_id, raw = body["event_id"], encode(body)
        c.post(name, raw, webhook_id, 200, {"status": "stored", "id": webhook_id, "event_type": kind})
        c.post(name + " repeated", raw, webhook_id, 200, {"status": "duplicate", "id": webhook_id}, headers={"X-Delivery-Attempt": "2"})
    body = encode({"event_type": "ping", "event_id": room + "/gzip"})
    for name, signed in (("gzip", body), ("gzip, signed as sent", gzip.compress(body))):
        c.post(name, signed, f"{room}/{name}", 200, {"status": "stored"}, wire=gzip.compress(body) if signed is body else signed,
               headers={"Content-Encoding": "gzip"}, path="/any/other/path")
    c.post("replay", encode({"event_type": "ping"}), room + "/replay", 200, {"status": "stored"}, headers={"webhook-replay": "1"})
    c.post("own event_id", encode({"event_type": "ping", "event_id": "x"}), room + "/own", 200, {"id": room + "/own"})
    c.post("unknown event_type of any form", encode({"event_type": 5, "messages": "?"}), room + "/form", 200, {"event_type": "unknown"})


def bad(c, room):
    """What is not a callback is refused with 400, so that splitsync dead-letters it and does not try for ever."""
    bodies = {
        "empty": b"", "cut": b'{"event_type":"ping"', "not JSON": b"hello", "NaN": b'{"event_type":"ping","x":NaN}', "two values": b"{}{}",
        "array": b"[]", "not UTF-8": b'{"event_type":"ping","x":"\xff"}', "deep": b'{"event_type":"ping","x":' + b"[" * 200000,
        "no room_id": encode({"event_type": "room_created"}), "no room_id, legacy": encode({"chat_history": []}),
        "messages no list": encode({"event_type": "chat_history_batch", "room_id": room, "messages": 5}),
        "messages no objects": encode({"event_type": "chat_history_batch", "room_id": room, "messages": [5]}),
        "timestamp no number": encode({"event_type": "user_joined", "room_id": room, "timestamp": "now"}),
        "timestamp no whole number": encode({"event_type": "user_joined", "room_id": room, "timestamp": 1.5}),
    }
    for name, raw in bodies.items():
        c.post(name, raw, f"{room}/bad/{name}", 400)
    ping = encode({"event_type": "ping"})
    c.post("id too long", ping, "x" * 600, 400)
    c.post("bad gzip", ping, room + "/bad/gzip", 400, headers={"Content-Encoding": "gzip"})
    c.post("unknown encoding", ping, room + "/bad/br", 415, headers={"Content-Encoding": "br"})


def signatures(c, room):
    """Whom one cannot trust gets 401: splitsync pauses the stream, probes, and loses nothing."""
    raw, now = encode({"event_type": "ping"}), int(time.time())
    wrong = signature.parse_secret(WRONG_SECRET)
    c.post("wrong secret", raw, room + "/sig/1", 401, key=wrong)
    c.post("changed body", raw, room + "/sig/2", 401, wire=raw + b" ")
    c.post("changed id", raw, room + "/sig/3", 401, headers={"webhook-id": room + "/sig/other"})
    c.post("old", raw, room + "/sig/4", 401, at=now - 400)
    c.post("from the future", raw, room + "/sig/5", 401, at=now + 400)
    c.post("changed time", raw, room + "/sig/6", 401, headers={"webhook-timestamp": str(now + 10)})
    c.post("time no number", raw, room + "/sig/7", 401, headers={"webhook-timestamp": "now"})
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        c.post("without " + name, raw, room + "/sig/8", 401, headers={name: None})
    own, other = signature.sign(c.key, room + "/sig/9", now, raw), signature.sign(wrong, room + "/sig/9", now, raw)
    c.post("other scheme", raw, room + "/sig/9", 401, at=now, headers={"webhook-signature": own.replace("v1,", "v2,")})
    c.post("rotation: one of two", raw, room + "/sig/9", 200, {"status": "stored"}, at=now, headers={"webhook-signature": other + " " + own})
    c.post("almost too old", raw, room + "/sig/10", 200, {"status": "stored"}, at=now - 280)


def old_server(c, room, at):
    """Bodies of the old server: no headers, no ids."""
    for name, body in callback_bodies.old_server(room + "-old", at):
        raw, kind = encode(body), "room_created" if "event_type" in body else "legacy"
        for status in ("stored", "duplicate"):
            got, answer = c.request("POST", "/", raw, {"Content-Type": "application/json"})
            c.equal(name + ": status", got, 200)
            if not c.status_only:
                c.equal(name + ": answer", (answer.get("status"), answer.get("event_type")), (status, kind))


def views(c, room, before):
    """What the receiver shows of it all."""
    status, whole = c.request("GET", "/rooms/" + room)
    c.equal("room: status", status, 200)
    whole = whole or {}
    want = {"room_id": room, "room_name": "Example", "admin_user_ids": ["boss"], "closed": True, "current_users": 0, "peak_users": 3, "total_joins": 3,
            "events": 10, "messages": 251, "sessions": 2, "snapshot_messages": 5}
    c.equal("room", {k: whole.get(k) for k in want}, want)
    recent = whole.get("recent_messages") or [{}]
    c.equal("room: the last message", recent[-1].get("message_id"), room + "-message-251")
    c.equal("room: recent messages", len(recent), 20)
    c.equal("room: recent sessions", len(whole.get("recent_sessions") or ()), 2)
    status, rows = c.request("GET", "/rooms")
    c.equal("rooms: status", status, 200)
    row = [r for r in rows or () if r.get("room_id") == room]
    c.equal("rooms: the row", row, [{k: v for k, v in whole.items() if k not in ("by_type", "recent_messages", "recent_sessions")}])
    c.equal("other room: messages", (c.request("GET", f"/rooms/{room}-other")[1] or {}).get("messages"), 1)
    c.equal("unknown room", c.request("GET", f"/rooms/{room}-none")[0], 404)
    c.equal("unknown path", c.request("GET", "/none")[0], 404)
    c.equal("other method", c.request("DELETE", "/rooms")[0], 405)
    after = c.request("GET", "/stats")[1]
    grown = {k: after[k] - before[k] for k in ("messages", "sessions", "conflicts", "replays")}
    c.equal("stats", grown, {"messages": 252, "sessions": 2, "conflicts": 0, "replays": 1})
    c.equal("stats: received", after["received"] - before["received"], after["stored"] - before["stored"] + after["duplicates"] - before["duplicates"]
            + sum(after["rejected"].values()) - sum(before["rejected"].values()))


def main():
    p = argparse.ArgumentParser(description="Sends every callback body, good and bad, to a receiver.")
    p.add_argument("--url", default="http://127.0.0.1:8080")
    p.add_argument("--secret", help="signing secret of the receiver, whsec_...")
    p.add_argument("--status-only", action="store_true", help="look only at the status of the answers")
    p.add_argument("--room", default="example-" + uuid.uuid4().hex[:12], help="room_id to use; a receiver must not know it yet")
    p.add_argument("--at", type=int, default=int(time.time()), help="time in the bodies, Unix seconds")
    args = p.parse_args()
    c = Check(args.url, args.secret, args.status_only)
    c.equal("health", c.request("GET", "/health")[0], 200)
    before = None if args.status_only else c.request("GET", "/stats")[1]
    good(c, args.room, args.at)
    bad(c, args.room)
    if args.secret:
        signatures(c, args.room)
    else:
        old_server(c, args.room, args.at)
        print("signatures: not checked (no --secret)")
    if before:
        views(c, args.room, before)
    print(f"{c.passed} passed, {c.failed} failed")
    sys.exit(1 if c.failed else 0)


if __name__ == "__main__":
    main()
