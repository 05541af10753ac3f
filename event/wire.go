package event

import "encoding/json"

// Envelope is one frame of the WebSocket protocol, or one line of a frame in splitsync.v1.
type Envelope struct {
	Type    string          `json:"type"`
	ID      json.RawMessage `json:"id,omitempty"` // splitsync.v1: a string or number that the one reply repeats
	Payload json.RawMessage `json:"payload,omitempty"`
}

// Subprotocol is the value of Sec-WebSocket-Protocol that turns on acks and many envelopes a frame.
const Subprotocol = "splitsync.v1"

// Types of envelopes from client to server.
const (
	CmdSendMessage = "SendMessage"
	CmdHistory     = "History"
	CmdPresence    = "Presence"
	CmdKickUser    = "KickUser"
	CmdMuteUser    = "MuteUser"
	CmdUnmuteUser  = "UnmuteUser"
	CmdCustomEvent = "CustomEvent"
	CmdTyping      = "Typing"
	CmdPing        = "Ping"
)

// Types of envelopes from server to client.
const (
	MsgWelcome       = "WelcomeInfo"
	MsgMessage       = "Message"
	MsgCustomEvent   = "CustomEvent"
	MsgSystem        = "System"
	MsgUserJoined    = "UserJoined"
	MsgUserLeft      = "UserLeft"
	MsgRoomStats     = "RoomStats"
	MsgYouAreKicked  = "YouAreKicked"
	MsgYouAreMuted   = "YouAreMuted"
	MsgYouAreUnmuted = "YouAreUnmuted"
	MsgUserMuted     = "UserMuted"
	MsgUserUnmuted   = "UserUnmuted"
	MsgTyping        = "Typing"
	MsgPong          = "Pong"
	MsgError         = "Error"
	MsgAck           = "Ack"
	MsgHistory       = "History"
	MsgPresence      = "Presence"
)

// Payloads from client to server.
type (
	// SendMessage asks to say something.
	SendMessage struct {
		Content     string `json:"content"`
		ClientMsgID string `json:"client_msg_id,omitempty"`
		ClientTS    int64  `json:"client_ts,omitempty"` // Unix milliseconds
	}
	// Target names the user of KickUser, MuteUser and UnmuteUser.
	Target struct {
		UserID string `json:"user_id"`
	}
	// SendCustomEvent asks to send an event of the application.
	SendCustomEvent struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"payload"`
	}
	// Ping asks for a Pong with the same timestamp.
	Ping struct {
		Timestamp json.RawMessage `json:"timestamp,omitempty"`
	}
)

// Payloads from server to client.
type (
	// Welcome is the first envelope of a connection.
	Welcome struct {
		UserID         string        `json:"user_id"`
		Nickname       string        `json:"nickname"`
		IsMuted        bool          `json:"is_muted"`
		SessionID      string        `json:"session_id"`
		IsAdmin        bool          `json:"is_admin"`
		Seq            uint64        `json:"seq"` // the position in the log: later records have greater seqs
		Recovered      bool          `json:"recovered"`
		PingIntervalMS int64         `json:"ping_interval_ms"`
		Limits         WelcomeLimits `json:"limits"`
	}
	// WelcomeLimits tells the bounds that this connection is held to.
	WelcomeLimits struct {
		MaxMessageBytes   int     `json:"max_message_bytes"`
		MessagesPerSecond float64 `json:"messages_per_second"` // 0 = no limit
		MessageIntervalMS int64   `json:"message_interval_ms"` // slow mode; 0 = off
	}
	// Place is what every record of the chat log tells of its place in it.
	Place struct {
		Seq         uint64 `json:"seq"`
		PrevSeq     uint64 `json:"prev_seq"` // of the record of this room before it; 0 = none known
		MessageID   string `json:"message_id"`
		CreatedAt   int64  `json:"created_at"` // Unix seconds
		CreatedAtMS int64  `json:"created_at_ms"`
	}
	// ChatMessage shows a message.
	ChatMessage struct {
		From        string `json:"from"`
		Nickname    string `json:"nickname"`
		Content     string `json:"content"`
		IsAdmin     bool   `json:"is_admin"`
		ClientMsgID string `json:"client_msg_id,omitempty"`
		ClientTS    int64  `json:"client_ts,omitempty"`
		Place
	}
	// ChatCustomEvent shows an event of the application.
	ChatCustomEvent struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"payload"`
		Place
	}
	// ChatSystem shows a system message.
	ChatSystem struct {
		Message string `json:"message"`
		Place
	}
	// Member names a user in UserJoined, UserLeft, UserMuted, UserUnmuted and Typing.
	Member struct {
		UserID   string `json:"user_id"`
		Nickname string `json:"nickname"`
	}
	// RoomStats tells the people of a room over all gateways.
	RoomStats struct {
		CurrentUsers int64 `json:"current_users"`
		PeakUsers    int64 `json:"peak_users"`
	}
	// Ack tells that a command is durable, and where.
	Ack struct {
		ID          json.RawMessage `json:"id,omitempty"`
		MessageID   string          `json:"message_id"`
		Seq         uint64          `json:"seq"`
		CreatedAt   int64           `json:"created_at"`
		CreatedAtMS int64           `json:"created_at_ms"`
		Duplicate   bool            `json:"duplicate"`
	}
	// ErrorPayload tells what was wrong with a command.
	ErrorPayload struct {
		Message      string    `json:"message"`
		Code         ErrorCode `json:"code"`
		Retryable    bool      `json:"retryable"`
		RetryAfterMS int64     `json:"retry_after_ms,omitempty"`
	}
)

// ErrorCode is the code of an Error envelope.
type ErrorCode int

// The error codes of the contract.
const (
	CodeInternal         ErrorCode = 100
	CodeUnauthorized     ErrorCode = 101
	CodePermissionDenied ErrorCode = 103
	CodeUnknownCommand   ErrorCode = 104
	CodeLimitExceeded    ErrorCode = 106
	CodeBadRequest       ErrorCode = 107
	CodeTooManyRequests  ErrorCode = 111
	CodeNotRecoverable   ErrorCode = 112
	CodeLogUnavailable   ErrorCode = 120 // certainly not stored; retry
	CodeOutcomeUnknown   ErrorCode = 121 // retry with the same client_msg_id
	CodeRoomClosed       ErrorCode = 122
	CodeTooBig           ErrorCode = 123
	CodeOverloaded       ErrorCode = 124
)

// CloseCode is a WebSocket close code of the contract. 4000-4099: do not reconnect as you are; 4100-4199: reconnect after a backoff;
// 4200-4299: reconnect at once.
type CloseCode int

// The close codes of the contract.
const (
	CloseToken          CloseCode = 4001
	CloseBanned         CloseCode = 4003
	CloseRoomClosed     CloseCode = 4004
	CloseReplaced       CloseCode = 4005
	CloseTooBig         CloseCode = 4009
	CloseAbusive        CloseCode = 4029
	CloseSlow           CloseCode = 4101
	CloseInternal       CloseCode = 4103
	CloseLogUnavailable CloseCode = 4104
	CloseDraining       CloseCode = 4200
	CloseNoPong         CloseCode = 4203
)
