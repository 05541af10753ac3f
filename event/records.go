package event

import "time"

// Stats counts the people of a room over all gateways.
type Stats struct {
	CurrentUsers int64 `json:"current_users"`
	PeakUsers    int64 `json:"peak_users"`
	TotalJoins   int64 `json:"total_joins"`
}

// ChatRecord is a stored message, alike in history and callbacks.
type ChatRecord struct {
	RoomID      string `json:"room_id,omitempty"` // only where the body holds several rooms
	UserID      string `json:"user_id"`
	Nickname    string `json:"nickname"`
	Content     string `json:"content"`
	CreatedAt   int64  `json:"created_at"` // Unix seconds
	CreatedAtMS int64  `json:"created_at_ms"`
	MessageID   string `json:"message_id"`
	Seq         uint64 `json:"seq"`
	IsAdmin     bool   `json:"is_admin,omitempty"`
	Kind        Kind   `json:"kind,omitempty"` // only for others than messages
	ClientMsgID string `json:"client_msg_id,omitempty"`
	ClientTS    int64  `json:"client_ts,omitempty"`
}

// SessionRecord is a session, alike in history and callbacks. LeaveTime is null while it is open.
type SessionRecord struct {
	RoomID          string      `json:"room_id,omitempty"` // only where the body holds several rooms
	UserID          string      `json:"user_id"`
	Nickname        string      `json:"nickname"`
	JoinTime        int64       `json:"join_time"` // Unix seconds
	JoinTimeMS      int64       `json:"join_time_ms"`
	LeaveTime       *int64      `json:"leave_time"` // Unix seconds
	LeaveTimeMS     *int64      `json:"leave_time_ms"`
	DurationSeconds int64       `json:"duration_seconds"`
	SessionID       string      `json:"session_id"`
	LeaveReason     LeaveReason `json:"leave_reason,omitempty"`
}

// NewSessionRecord tells a finished session; createdAt is that of the user_left record, in Unix milliseconds.
func NewSessionRecord(e *UserLeft, createdAt int64) SessionRecord {
	leaveMS := e.LeaveTime(createdAt)
	leave := Seconds(leaveMS)
	return SessionRecord{
		UserID: e.UserID, Nickname: e.Nickname, SessionID: e.SessionID, LeaveReason: e.Reason,
		JoinTime: Seconds(e.JoinTimeMS), JoinTimeMS: e.JoinTimeMS, LeaveTime: &leave, LeaveTimeMS: &leaveMS,
		DurationSeconds: (leaveMS - e.JoinTimeMS) / 1000,
	}
}

// RoomInfo describes a room in the sync API and in the periodic callback.
type RoomInfo struct {
	RoomID             string   `json:"room_id"`
	RoomName           string   `json:"room_name"`
	AdminUserIDs       []string `json:"admin_user_ids"`
	CurrentConnections int64    `json:"current_connections"`
	CreatedAt          int64    `json:"created_at"` // Unix seconds
	CreatedAtMS        int64    `json:"created_at_ms"`
	LastActivity       int64    `json:"last_activity"` // Unix seconds
	LastActivityMS     int64    `json:"last_activity_ms"`
}

// LegacyRoom is the head of the old server's whole-room object; ChatHistory and SessionHistory are streamed behind it by the writers.
type LegacyRoom struct {
	RoomID       string   `json:"room_id"`
	AdminUserIDs []string `json:"admin_user_ids"`
	StartTime    int64    `json:"start_time"` // Unix seconds
	StartTimeMS  int64    `json:"start_time_ms"`
	Stats
	Nested LegacyStats `json:"stats"`
}

// LegacyStats repeats the four figures of the old object under "stats".
type LegacyStats struct {
	StartTime int64 `json:"start_time"`
	Stats
}

// Seconds returns a time of Unix milliseconds in Unix seconds, rounded down.
func Seconds(ms int64) int64 { return time.UnixMilli(ms).Unix() }
