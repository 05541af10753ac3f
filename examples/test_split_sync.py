#!/usr/bin/env python3
"""Creates a room in a running splitsync, chats in it, and checks every management and sync route. Standard library only.

    python3 test_split_sync.py --url http://127.0.0.1:3000 --api-key KEY

The members are: boss (an admin) and ann as clients of the old server, bob with the subprotocol splitsync.v1, which acknowledges. For GATEWAY_AUTH=none.
The room is closed at the end. The exit code is 1 if something is not as the contract says.
"""

import argparse
import json
import sys
import time
import traceback
import uuid
from urllib.parse import quote, urlencode

from api_check import WAIT, Check
from websocket import Closed, Refused, WebSocket

TEXTS = ["hello", "üñï \U0001f600 漢字", 'quotes " and \\ and <tags> & more', "two\nlines\ttab", " spaces ", "x" * 10_000]


class Member:
    """A connection to the room, with everything that it was sent."""

    def __init__(self, c, room, user, subprotocol=None):
        query = urlencode({"user_id": user, "nickname": user.title()})
        self.user, self.messages, self.replies, self.seen = user, [], {}, []
        self.ws = WebSocket(f"{c.url}/ws/rooms/{quote(room)}?{query}", subprotocol)
        self.welcome = self.until("WelcomeInfo")

    def send(self, kind, payload=None, **top):
        self.ws.send(json.dumps(dict(top, type=kind, payload=payload or {})))

    def read(self, deadline):
        for line in self.ws.recv(deadline).split("\n"):  # splitsync.v1 may put many into a frame
            envelope = json.loads(line)
            self.seen.append(envelope)
            if envelope["type"] == "Message":
                self.messages.append(envelope["payload"])
            if "id" in envelope:
                self.replies[envelope["id"]] = envelope
            elif envelope["type"] == "Ack":
                self.replies[envelope["payload"].get("id")] = envelope

    def until(self, kind):
        """Returns the payload of the next envelope of a kind that has not been looked at; TimeoutError if none comes."""
        deadline = time.monotonic() + WAIT
        while True:
            for i, envelope in enumerate(self.seen):
                if envelope["type"] == kind:
                    del self.seen[i]
                    return envelope.get("payload")
            self.read(deadline)

    def reply(self, command_id):
        deadline = time.monotonic() + WAIT
        while command_id not in self.replies:
            self.read(deadline)
        return self.replies[command_id]

    def has_messages(self, count):
        deadline = time.monotonic() + WAIT
        while len(self.messages) < count:
            self.read(deadline)


def rooms(c, room):
    """Creates the room and looks at it."""
    status, text = c.call("GET", "/management/health", key="")
    c.equal("health", (status, str(text).strip()), (200, "OK"))
    wish = {"room_id": room, "room_name": "Split sync test", "admin_user_ids": ["boss"]}
    c.problem("create with a wrong key", 401, c.call("POST", "/management/rooms", wish, key="wrong"))
    c.problem("create from bad JSON", 400, c.call("POST", "/management/rooms", b"{"))
    c.problem("create with a bad room_id", 400, c.call("POST", "/management/rooms", dict(wish, room_id="no spaces")))
    status, made = c.call("POST", "/management/rooms", wish)
    c.equal("create: status", status, 200)
    c.has("create", made, room_id=room, websocket_url="/ws/rooms/" + room)
    c.problem("create twice", 409, c.call("POST", "/management/rooms", wish))
    status, one = c.call("GET", "/management/rooms/" + room)
    c.equal("get: status", status, 200)
    row = {"room_id": room, "room_name": "Split sync test", "admin_user_ids": ["boss"], "start_time": int, "last_activity": int,
           "current_users": 0, "peak_users": 0, "total_joins": 0}
    c.has("get", one, **row)
    status, every = c.call("GET", "/management/rooms")
    c.has("list", next((r for r in every if r["room_id"] == room), None), **row)
    c.problem("get of an unknown room", 404, c.call("GET", f"/management/rooms/{room}-none"))
    path = f"/management/sync/chat-history/{room}"
    status, empty = c.eventually("history of a new room", lambda: c.call("GET", path), lambda a: a[0] == 200)
    c.has("history of a new room", empty, room_id=room, records=[])
    c.has("history of a new room", empty.get("pagination") if isinstance(empty, dict) else None, total_records=0, total_pages=0, has_next=False)


def chat(c, room):
    """Three members talk; returns the messages in order."""
    boss, ann, bob = Member(c, room, "boss"), Member(c, room, "ann"), Member(c, room, "bob", "splitsync.v1")
    c.equal("subprotocols", (ann.ws.subprotocol, bob.ws.subprotocol), (None, "splitsync.v1"))
    for m in (boss, ann, bob):
        c.has("welcome of " + m.user, m.welcome, user_id=m.user, nickname=m.user.title(), is_muted=False, session_id=str, is_admin=m is boss, seq=int,
              recovered=bool, ping_interval_ms=int, limits=dict)
    want = []
    for i, text in enumerate(TEXTS * 3):
        speaker = (boss, ann, bob)[i % 3]
        if speaker is bob:
            bob.send("SendMessage", {"content": text, "client_msg_id": f"m{i}"}, id=i)
        else:
            speaker.send("SendMessage", {"content": text})
        want.append((speaker.user, text))
        for m in (boss, ann, bob):  # one after the other, so that the order is known
            m.has_messages(len(want))
    for m in (boss, ann, bob):
        c.equal(f"what {m.user} sees", [(r["from"], r["content"]) for r in m.messages], want)
        order(c, m)
    for name, other in (("ann", ann), ("bob", bob)):
        c.equal(f"{name} sees what boss sees", [(r["seq"], r["message_id"], r["created_at_ms"]) for r in other.messages],
                [(r["seq"], r["message_id"], r["created_at_ms"]) for r in boss.messages])
    acks(c, bob)
    faults(c, ann, bob)
    ann.send("Ping", {"timestamp": 7})
    c.has("pong", ann.until("Pong"), timestamp=7)
    c.has("room stats", bob.until("RoomStats"), current_users=int, peak_users=int)
    for m in (boss, ann, bob):
        c.true(f"close of {m.user}", m.ws.close() in (1000, 1005))
    return boss.messages


def order(c, m):
    """seq grows, prev_seq chains, time never goes back, and the fields are those of the contract."""
    for before, r in zip(m.messages, m.messages[1:]):
        c.true("order of seq", before["seq"] < r["seq"] and before["seq"] <= r["prev_seq"] < r["seq"], f"{before!r:.200} then {r!r:.200}")
        c.true("order of time", before["created_at_ms"] <= r["created_at_ms"])
    for r in m.messages:
        c.has("message", r, nickname=r["from"].title(), is_admin=r["from"] == "boss", message_id=str, created_at=r["created_at_ms"] // 1000)


def acks(c, bob):
    """Every command of bob has one Ack, with the place that everyone sees; a retry is the same message."""
    mine = {r["client_msg_id"]: r for r in bob.messages if r["from"] == "bob"}
    for key, record in mine.items():
        ack = bob.reply(int(key[1:]))
        c.equal("reply", ack["type"], "Ack")
        c.has("ack", ack["payload"], message_id=record["message_id"], seq=record["seq"], created_at=record["created_at"], duplicate=False)
    record, count = mine["m2"], len(bob.messages)
    bob.send("SendMessage", {"content": record["content"], "client_msg_id": "m2"}, id="again")
    c.has("ack of a retry", bob.reply("again")["payload"], message_id=record["message_id"], seq=record["seq"], duplicate=True)
    c.equal("a retry is not shown", len(bob.messages), count)


def faults(c, ann, bob):
    """Bad input gets an Error, and the connection lives on."""
    for name, text, code in (
        ("bad JSON", "{", 107), ("unknown type", '{"type":"Nonsense"}', 104), ("empty content", '{"type":"SendMessage","payload":{"content":""}}', 107),
        ("content no text", '{"type":"SendMessage","payload":{"content":5}}', 107), ("not an admin", '{"type":"MuteUser","payload":{"user_id":"bob"}}', 103),
    ):
        ann.ws.send(text)
        c.has(name, ann.until("Error"), code=code, message=str, retryable=False)
    bob.send("SendMessage", {"content": ""}, id="empty")
    reply = bob.reply("empty")
    c.equal("empty content, with an id", (reply["type"], reply["payload"]["code"]), ("Error", 107))


def history(c, room, messages):
    """chat-history has what the members saw, newest first, in every page size and range."""
    path = f"/management/sync/chat-history/{room}"
    newest = [(r["from"], r["content"], r["seq"], r["message_id"], r["created_at"]) for r in reversed(messages)]

    def rows(answer):
        return [(r["user_id"], r["content"], r["seq"], r["message_id"], r["created_at"]) for r in answer["records"]]

    _, whole = c.eventually("chat-history", lambda: c.call("GET", path), lambda a: a[0] == 200 and a[1]["pagination"]["total_records"] >= len(messages))
    c.equal("chat-history", rows(whole), newest)
    c.has("chat-history", whole["pagination"], current_page=1, total_pages=1, total_records=len(newest), page_size=1000, has_next=False, has_prev=False)
    got, pages = [], -(-len(newest) // 5)
    for page in range(1, pages + 1):
        status, answer = c.call("GET", path, page=page, limit=5)
        got += rows(answer)
        c.has(f"page {page}", answer["pagination"], current_page=page, total_pages=pages, total_records=len(newest), page_size=5,
              has_next=page < pages, has_prev=page > 1)
    c.equal("all pages", got, newest)
    first, last = messages[0]["created_at"], messages[-1]["created_at"]
    c.equal("from and to", len(c.call("GET", path, from_=first, to=last)[1]["records"]), len(newest))
    c.equal("from behind the end", c.call("GET", path, from_=last + 1)[1]["records"], [])
    c.equal("to before the start", c.call("GET", path, to=first - 1)[1]["records"], [])
    c.equal("up to the first second", rows(c.call("GET", path, to=first)[1]), [r for r in newest if r[4] == first])
    for name, query in (("limit=0", {"limit": 0}), ("limit=10001", {"limit": 10001}), ("limit=x", {"limit": "x"}), ("page=0", {"page": 0}),
                        ("from=x", {"from_": "x"})):
        c.problem("chat-history " + name, 400, c.call("GET", path, **query))
    c.problem("chat-history of an unknown room", 404, c.call("GET", path + "-none"))
    c.problem("chat-history without key", 401, c.call("GET", path, key=""))


def sessions(c, room):
    """session-history has the three sessions, ended."""
    path = f"/management/sync/session-history/{room}"
    _, whole = c.eventually("session-history", lambda: c.call("GET", path), lambda a: a[0] == 200 and a[1]["pagination"]["total_records"] >= 3)
    c.equal("session-history", sorted(r["user_id"] for r in whole["records"]), ["ann", "bob", "boss"])
    c.has("session-history", whole["pagination"], current_page=1, total_pages=1, total_records=3, page_size=500, has_next=False, has_prev=False)
    for r in whole["records"]:
        c.has("session", r, nickname=r["user_id"].title(), join_time=int, leave_time=int, duration_seconds=int, session_id=str, leave_reason="left")
        c.true("session: times", r["join_time"] <= r["leave_time"] and abs(r["leave_time"] - r["join_time"] - r["duration_seconds"]) <= 1, str(r))
    c.problem("session-history limit=5001", 400, c.call("GET", path, limit=5001))


def overview(c, room, messages):
    """sync/rooms, and the old server's one answer for everything."""
    def mine(answer):
        return next((r for r in answer[1] if r["room_id"] == room), None) if answer[0] == 200 else None

    listed = mine(c.eventually("sync/rooms", lambda: c.call("GET", "/management/sync/rooms"),
                               lambda a: (mine(a) or {}).get("current_connections", -1) == 0 and mine(a)["last_activity"] >= messages[-1]["created_at"]))
    c.has("sync/rooms", listed, room_name="Split sync test", admin_user_ids=["boss"], current_connections=0, created_at=int, last_activity=int)
    legacy = mine(c.eventually("legacy sync", lambda: c.call("GET", "/management/sync"),
                               lambda a: (mine(a) or {}).get("total_joins") == 3 and mine(a)["current_users"] == 0))
    four = {"start_time": int, "current_users": 0, "peak_users": 3, "total_joins": 3}
    c.has("legacy sync", legacy, admin_user_ids=["boss"], stats=dict, chat_history=list, session_history=list, **four)
    c.has("legacy sync: stats", legacy["stats"], **four)
    c.equal("legacy sync: chat_history", sorted(r["message_id"] for r in legacy["chat_history"]), sorted(r["message_id"] for r in messages))
    c.equal("legacy sync: session_history", len(legacy["session_history"]), 3)
    c.equal("start of a sync round", c.call("POST", "/management/sync")[0], 202)


def closing(c, room, messages):
    """A closed room lets nobody in and keeps its history."""
    stay = Member(c, room, "ann")
    c.equal("close: status", c.call("DELETE", "/management/rooms/" + room)[0], 204)
    try:
        while True:
            stay.read(time.monotonic() + WAIT)
    except Closed as err:
        c.equal("close code of a member", err.code, 4004)
    for name, where in (("a closed room", room), ("an unknown room", room + "-none")):
        try:
            Member(c, where, "ann").ws.close()
            c.true("join of " + name, False, "was let in")
        except Refused as err:
            c.equal("join of " + name, err.status, 404)
    _, whole = c.call("GET", f"/management/sync/chat-history/{room}")
    c.equal("history of a closed room", len(whole["records"]), len(messages))


def main():
    p = argparse.ArgumentParser(description="Chats in a new room and checks every sync route.")
    p.add_argument("--url", default="http://127.0.0.1:3000")
    p.add_argument("--api-key", required=True)
    p.add_argument("--room", default="split-sync-" + uuid.uuid4().hex[:12])
    args = p.parse_args()
    c = Check(args.url, args.api_key)
    try:
        rooms(c, args.room)
        messages = chat(c, args.room)
        history(c, args.room, messages)
        sessions(c, args.room)
        overview(c, args.room, messages)
        closing(c, args.room, messages)
    except (Closed, Refused, OSError, KeyError, TypeError, ValueError, AttributeError) as err:
        traceback.print_exc()
        c.true("the run", False, f"stopped by {type(err).__name__}: {err}")
    print(f"room {args.room}: {c.passed} passed, {c.failed} failed")
    sys.exit(1 if c.failed else 0)


if __name__ == "__main__":
    main()
