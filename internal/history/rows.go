package history

import (
	"github.com/google/uuid"

	"splitsync/event"
)

// MessageRow is a row of chat_messages_raw. Times are Unix milliseconds.
type MessageRow struct {
	RoomID      string    `ch:"room_id"`
	CreatedAt   int64     `ch:"created_at"`
	Seq         uint64    `ch:"seq"`
	MessageID   uuid.UUID `ch:"message_id"`
	Kind        string    `ch:"kind"`
	UserID      string    `ch:"user_id"`
	Nickname    string    `ch:"nickname"`
	Content     string    `ch:"content"`
	IsAdmin     bool      `ch:"is_admin"`
	ClientMsgID string    `ch:"client_msg_id"`
	ClientTS    int64     `ch:"client_ts"`
	Partition   uint16    `ch:"kafka_partition"`
	Offset      uint64    `ch:"kafka_offset"`
}

// SessionRow is a row of user_sessions_raw. Times are Unix milliseconds. LeaveSeq 0 means that the session is open.
type SessionRow struct {
	RoomID      string `ch:"room_id"`
	JoinTime    int64  `ch:"join_time"`
	SessionID   string `ch:"session_id"`
	UserID      string `ch:"user_id"`
	Nickname    string `ch:"nickname"`
	Incarnation string `ch:"incarnation"`
	JoinSeq     uint64 `ch:"join_seq"`
	LeaveSeq    uint64 `ch:"leave_seq"`
	LeaveTime   int64  `ch:"leave_time"`
	LeaveReason string `ch:"leave_reason"`
	Partition   uint16 `ch:"kafka_partition"`
}

// Aspects of a RoomRow: created and closed keep the first of the log, admins and stats the last.
const (
	AspectCreated = "created" // RoomName, AdminUserIDs
	AspectClosed  = "closed"
	AspectAdmins  = "admins" // AdminUserIDs
	AspectStats   = "stats"  // CurrentUsers, PeakUsers, TotalJoins; At = last activity
)

// RoomRow is a row of rooms_raw: one aspect of a room. At is Unix milliseconds, Seq is that of the record in the topic sessions.
type RoomRow struct {
	RoomID       string   `ch:"room_id"`
	Aspect       string   `ch:"aspect"`
	Seq          uint64   `ch:"seq"`
	At           int64    `ch:"at"`
	RoomName     string   `ch:"room_name"`
	AdminUserIDs []string `ch:"admin_user_ids"`
	CurrentUsers int64    `ch:"current_users"`
	PeakUsers    int64    `ch:"peak_users"`
	TotalJoins   int64    `ch:"total_joins"`
}

// Block is what one Insert stores.
type Block struct {
	Messages []MessageRow
	Sessions []SessionRow
	Rooms    []RoomRow
}

// Len returns the number of rows.
func (b *Block) Len() int { return len(b.Messages) + len(b.Sessions) + len(b.Rooms) }

// chat returns the record that callbacks and the sync API show.
func (m *MessageRow) chat() event.ChatRecord {
	r := event.ChatRecord{
		UserID: m.UserID, Nickname: m.Nickname, Content: m.Content, CreatedAt: event.Seconds(m.CreatedAt), CreatedAtMS: m.CreatedAt,
		MessageID: m.MessageID.String(), Seq: m.Seq, IsAdmin: m.IsAdmin, ClientMsgID: m.ClientMsgID, ClientTS: m.ClientTS,
	}
	if m.Kind != string(event.KindMessage) {
		r.Kind = event.Kind(m.Kind)
	}
	return r
}

// session returns the record that callbacks and the sync API show, as of a seq of the topic sessions: ends behind it are not seen.
func (r *SessionRow) session(asOf uint64) event.SessionRecord {
	out := event.SessionRecord{
		UserID: r.UserID, Nickname: r.Nickname, JoinTime: event.Seconds(r.JoinTime), JoinTimeMS: r.JoinTime, SessionID: r.SessionID,
	}
	if r.LeaveSeq == 0 || r.LeaveSeq > asOf {
		return out
	}
	seconds, ms := event.Seconds(r.LeaveTime), r.LeaveTime
	out.LeaveTime, out.LeaveTimeMS, out.DurationSeconds = &seconds, &ms, (r.LeaveTime-r.JoinTime)/1000
	out.LeaveReason = event.LeaveReason(r.LeaveReason)
	return out
}
