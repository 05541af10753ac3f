package event

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// Message is something that a member said.
type Message struct {
	RoomID      string `json:"room_id"`
	UserID      string `json:"user_id"`
	Nickname    string `json:"nickname"`
	Content     string `json:"content"`
	IsAdmin     bool   `json:"is_admin,omitempty"`
	ClientMsgID string `json:"client_msg_id,omitempty"`
	ClientTS    int64  `json:"client_ts,omitempty"` // the client's own time, Unix milliseconds, not trusted
}

// Kind returns KindMessage.
func (*Message) Kind() Kind { return KindMessage }

// Room returns the room_id.
func (m *Message) Room() string { return m.RoomID }

// ID returns the client_msg_id.
func (m *Message) ID() string { return m.ClientMsgID }

// DedupeKey joins user and client_msg_id; it is empty without a client_msg_id. The user's length stands before it, so that no two pairs
// give one key.
func (m *Message) DedupeKey() string {
	if m.ClientMsgID == "" {
		return ""
	}
	return "m:" + strconv.Itoa(len(m.UserID)) + ":" + m.UserID + ":" + m.ClientMsgID
}

// Validate checks ids, nickname and encoding. The upper bound of the content is a setting of the gateway.
func (m *Message) Validate() error {
	return firstError(CheckRoomID(m.RoomID), CheckUser("user_id", m.UserID), CheckUser("nickname", m.Nickname),
		checkText("content", m.Content, 1, MaxContentBytes), checkText("client_msg_id", m.ClientMsgID, 0, MaxClientMsgIDBytes))
}

// SystemMessage is something that the operator said to a room.
type SystemMessage struct {
	RoomID  string `json:"room_id"`
	Content string `json:"content"`
}

// Kind returns KindSystemMessage.
func (*SystemMessage) Kind() Kind { return KindSystemMessage }

// Room returns the room_id.
func (m *SystemMessage) Room() string { return m.RoomID }

// ID is empty: the idempotent producer writes it once.
func (*SystemMessage) ID() string { return "" }

// DedupeKey is empty.
func (*SystemMessage) DedupeKey() string { return "" }

// Validate checks the room and that content is not empty.
func (m *SystemMessage) Validate() error {
	return firstError(CheckRoomID(m.RoomID), checkText("content", m.Content, 1, MaxContentBytes))
}

// CustomEvent is an event of the application, sent by an admin.
type CustomEvent struct {
	RoomID    string          `json:"room_id"`
	UserID    string          `json:"user_id"`
	EventType string          `json:"event_type"`
	Payload   json.RawMessage `json:"payload,omitempty"`
}

// Kind returns KindCustomEvent.
func (*CustomEvent) Kind() Kind { return KindCustomEvent }

// Room returns the room_id.
func (e *CustomEvent) Room() string { return e.RoomID }

// ID is empty: the idempotent producer writes it once.
func (*CustomEvent) ID() string { return "" }

// DedupeKey is empty.
func (*CustomEvent) DedupeKey() string { return "" }

// Validate checks room, user and event type, and that the payload is JSON in UTF-8: other text in a frame would break the connections of
// all members.
func (e *CustomEvent) Validate() error {
	switch {
	case len(e.Payload) > 0 && !json.Valid(e.Payload):
		return &FieldError{Field: "payload", Problem: "must be JSON"}
	case !utf8.Valid(e.Payload):
		return &FieldError{Field: "payload", Problem: "must be UTF-8"}
	}
	return firstError(CheckRoomID(e.RoomID), CheckUser("user_id", e.UserID), checkText("event_type", e.EventType, 1, MaxEventTypeBytes))
}
