"""What the callbacks tell of the rooms, in bounded memory: 1,000 rooms (the one silent longest is forgotten), 20 records each, texts cut to 200."""

from collections import OrderedDict, deque

MAX_ROOMS = 1000
MAX_RECENT = 20
MAX_TEXT = 200

EVENT_TYPES = (
    "room_created", "room_closed", "user_joined", "user_left", "chat_history_batch", "session_history_batch", "periodic_sync", "ping",
)
# "legacy" is a body without event_type, "unknown" an event_type that is newer than this program.
TYPE_NAMES = EVENT_TYPES + ("legacy", "unknown")
MESSAGE_FIELDS = ("user_id", "nickname", "content", "created_at", "message_id", "seq")
SESSION_FIELDS = ("user_id", "nickname", "join_time", "leave_time", "duration_seconds", "session_id")
STAT_FIELDS = ("current_users", "peak_users", "total_joins")

# The fields that must have a certain form when a body has them.
_FORMS = {
    "room_id": (str, "a string"), "room_name": (str, "a string"), "timestamp": (int, "a whole number"),
    "admin_ids": (list, "a list"), "admin_user_ids": (list, "a list"),
    "final_stats": (dict, "an object"), "stats": (dict, "an object"), "room_info": (dict, "an object"),
    "messages": (list, "a list"), "sessions": (list, "a list"), "chat_history": (list, "a list"), "session_history": (list, "a list"),
}
_PASCAL = {"".join(part.capitalize() for part in name.split("_")): name for name in EVENT_TYPES}


def type_of(body):
    """Returns a name of TYPE_NAMES. The old server wrote RoomCreated for room_created; both are read."""
    name = body.get("event_type")
    if name is None:
        return "legacy"
    name = _PASCAL.get(name, name) if isinstance(name, str) else name
    return name if name in EVENT_TYPES else "unknown"


def check(body):
    """Raises ValueError, naming the field, if a body does not have the form of its type. Unknown events and unknown fields are fine."""
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    name = type_of(body)
    if name == "unknown":
        return
    for field, (form, what) in _FORMS.items():
        value = body.get(field)
        if value is not None and (not isinstance(value, form) or isinstance(value, bool)):
            raise ValueError(f"{field} must be {what}")
    for field in ("messages", "sessions"):
        if not all(isinstance(r, dict) for r in body.get(field) or ()):
            raise ValueError(f"{field} must hold objects")
    if not body.get("room_id") and name not in ("ping", "chat_history_batch", "session_history_batch"):
        raise ValueError("room_id is missing")


def _cut(value):
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return value if value is None or isinstance(value, (int, float)) else None


def _texts(values):
    return [_cut(v) for v in (values or ()) if isinstance(v, str)][:1000]


def _pick(record, fields):
    return {f: _cut(record.get(f)) for f in fields}


class Room:
    """One room. shown() is its row in /rooms, whole() the answer of /rooms/{id}."""

    def __init__(self, room_id):
        self.row = {
            "room_id": room_id, "room_name": "", "admin_user_ids": [], "closed": False,
            "current_users": 0, "peak_users": 0, "total_joins": 0,
            "events": 0, "messages": 0, "sessions": 0, "snapshot_messages": 0, "last_timestamp": 0,
        }
        self.by_type = dict.fromkeys(TYPE_NAMES, 0)
        self.messages = deque(maxlen=MAX_RECENT)
        self.sessions = deque(maxlen=MAX_RECENT)

    def whole(self):
        return dict(self.row, by_type=dict(self.by_type), recent_messages=list(self.messages), recent_sessions=list(self.sessions))

    def set_stats(self, stats):
        for field in STAT_FIELDS:
            if isinstance((stats or {}).get(field), int):
                self.row[field] = stats[field]

    def set_head(self, name, admins):
        if isinstance(name, str):
            self.row["room_name"] = _cut(name)
        if isinstance(admins, list):
            self.row["admin_user_ids"] = _texts(admins)


class Rooms:
    """All rooms. Not safe for several threads: the store has the lock."""

    def __init__(self):
        self._rooms = OrderedDict()

    def __len__(self):
        return len(self._rooms)

    def list(self):
        return [dict(self._rooms[k].row) for k in sorted(self._rooms)]

    def get(self, room_id):
        room = self._rooms.get(room_id)
        return room.whole() if room else None

    def _touch(self, room_id):
        room_id = room_id[:MAX_TEXT]
        room = self._rooms.setdefault(room_id, Room(room_id))
        self._rooms.move_to_end(room_id)
        if len(self._rooms) > MAX_ROOMS:
            self._rooms.popitem(last=False)
        return room

    def apply(self, body):
        """Takes a checked body; returns (messages, sessions) in it."""
        name = type_of(body)
        if name in ("ping", "unknown"):
            return 0, 0
        touched = {}
        messages, sessions = body.get("messages") or (), body.get("sessions") or ()
        for record in messages:
            room = self._of(record, body, touched)
            if room:
                room.row["messages"] += 1
                room.messages.append(_pick(record, MESSAGE_FIELDS))
        for record in sessions:
            room = self._of(record, body, touched)
            if room:
                room.row["sessions"] += 1
                room.sessions.append(_pick(record, SESSION_FIELDS))
        room = self._of({}, body, touched)
        if room:
            self._head(name, room, body)
        for room in touched.values():
            room.row["events"] += 1
            room.by_type[name] += 1
            room.row["last_timestamp"] = max(room.row["last_timestamp"], body.get("timestamp") or 0)
        return len(messages), len(sessions)

    def _of(self, record, body, touched):
        """The room of a record: its own room_id (CALLBACK_BATCH_GROUPING=partition), else that of the body."""
        room_id = record.get("room_id") or body.get("room_id")
        if not isinstance(room_id, str) or not room_id:
            return None
        touched[room_id] = touched.get(room_id) or self._touch(room_id)
        return touched[room_id]

    @staticmethod
    def _head(name, room, body):
        if name == "room_created":
            room.set_head(body.get("room_name"), body.get("admin_ids"))
        elif name == "room_closed":
            room.row["closed"] = True
            room.set_stats(body.get("final_stats"))
        elif name == "periodic_sync":
            info = body.get("room_info") or {}
            room.set_head(info.get("room_name"), info.get("admin_user_ids"))
            room.set_stats(body.get("stats"))
        elif name == "legacy":
            room.set_head(None, body.get("admin_user_ids"))
            room.set_stats(body)
            room.row["snapshot_messages"] = len(body.get("chat_history") or ())
