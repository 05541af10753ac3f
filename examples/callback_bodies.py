"""One example of every callback body that splitsync sends, about a room of a given name."""

EPOCH = 1 << 48


def _head(kind, room, at, event_id):
    return {"event_type": kind, "event_id": event_id, "room_id": room, "timestamp": at, "timestamp_ms": at * 1000}


def _message(room, number, at, **more):
    return dict({
        "user_id": f"user-{number % 3}", "nickname": f"Ünï {number % 3}", "content": f"line {number}\nwith \"quotes\" and \U0001f600", "created_at": at,
        "created_at_ms": at * 1000, "message_id": f"{room}-message-{number}", "seq": EPOCH + number,
    }, **more)


def _session(room, number, at, **more):
    return dict({
        "user_id": f"user-{number}", "nickname": f"Ünï {number}", "join_time": at - 60, "join_time_ms": (at - 60) * 1000, "leave_time": at,
        "leave_time_ms": at * 1000, "duration_seconds": 60, "session_id": f"{room}-session-{number}", "leave_reason": "left",
    }, **more)


def _batch(kind, room, at, event_id, first, records, last=True):
    field = "messages" if kind == "chat_history_batch" else "sessions"
    end = first + len(records) - 1
    return dict(_head(kind, room, at, event_id), **{
        "batch_id": event_id, "is_last_batch": last, "topic": "splitsync.chat" if field == "messages" else "splitsync.sessions", "partition": 2,
        "first_offset": first, "last_offset": end, "watermark": f"2:{end}", field: records,
    })


def every(room, at):
    """Returns [(name, body)] in the order in which a room lives. Names are unique; event_id is room/name."""
    stats = {"current_users": 2, "peak_users": 3, "total_joins": 3}
    info = {
        "room_id": room, "room_name": "Example", "admin_user_ids": ["boss"], "current_connections": 2, "created_at": at, "created_at_ms": at * 1000,
        "last_activity": at + 9, "last_activity_ms": (at + 9) * 1000,
    }
    member = {"user_id": "user-1", "nickname": "Ünï 1", "session_id": room + "-session-1"}

    def of(name, kind, second, **more):
        return name, dict(_head(kind, room, at + second, f"{room}/{name}"), **more)

    def batch(name, kind, second, first, records, last=True):
        return name, _batch(kind, room, at + second, f"{room}/{name}", first, records, last)

    chat = [_message(room, i, at + i // 100) for i in range(1, 251)]
    grouped = [_message(room, 251, at + 4, room_id=room), _message(room, 252, at + 4, room_id=room + "-other")]
    by_partition = _batch("chat_history_batch", room, at + 4, f"{room}/partition", 251, grouped)
    del by_partition["room_id"]  # CALLBACK_BATCH_GROUPING=partition: every record tells its room
    return [
        of("created", "room_created", 0, room_name="Example", admin_ids=["boss"]),
        of("joined", "user_joined", 1, **member),
        batch("chat-1", "chat_history_batch", 2, 1, chat[:200], last=False),
        batch("chat-2", "chat_history_batch", 3, 201, chat[200:]),
        ("partition", by_partition),
        of("left", "user_left", 5, **dict(member, duration=60, reason="left")),
        batch("sessions", "session_history_batch", 6, 7, [_session(room, i, at + 6) for i in (1, 2)]),
        of("periodic", "periodic_sync", 7, room_info=info, stats=dict(stats, total_messages=252), last_sync_time=at),
        ("legacy", dict(stats, event_id=f"{room}/legacy", room_id=room, admin_user_ids=["boss"], start_time=at, start_time_ms=at * 1000,
                        stats=dict(stats, start_time=at), chat_history=chat[:5], session_history=[_session(room, 1, at + 6)])),
        of("ping", "ping", 8),
        ("unknown", _head("message_deleted", room, at + 8, f"{room}/unknown")),
        of("closed", "room_closed", 9, final_stats=dict(stats, current_users=0)),
    ]


def old_server(room, at):
    """Returns bodies as the old server sent them: no ids, RoomCreated for room_created."""
    return [
        ("old-created", {"event_type": "RoomCreated", "room_id": room, "room_name": "Old", "admin_ids": ["boss"], "timestamp": at}),
        ("old-legacy", {"room_id": room, "admin_user_ids": ["boss"], "start_time": at, "current_users": 0, "peak_users": 1, "total_joins": 1,
                        "stats": {}, "chat_history": [], "session_history": []}),
    ]
