package event

import "strings"

// CallbackType is the event_type of a callback body, in its snake form.
type CallbackType string

// The callback bodies that carry an event_type. The legacy body has none.
const (
	CallbackRoomCreated  CallbackType = "room_created"
	CallbackRoomClosed   CallbackType = "room_closed"
	CallbackUserJoined   CallbackType = "user_joined"
	CallbackUserLeft     CallbackType = "user_left"
	CallbackChatBatch    CallbackType = "chat_history_batch"
	CallbackSessionBatch CallbackType = "session_history_batch"
	CallbackPeriodic     CallbackType = "periodic_sync"
	CallbackPing         CallbackType = "ping"
)

// Pascal returns the type as the old server wrote it: RoomCreated for room_created.
func (t CallbackType) Pascal() string {
	parts := strings.Split(string(t), "_")
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

// CallbackHead stands at the start of every body with an event_type.
type CallbackHead struct {
	EventType   string `json:"event_type"`
	EventID     string `json:"event_id"` // the webhook-id
	RoomID      string `json:"room_id,omitempty"`
	Timestamp   int64  `json:"timestamp"` // Unix seconds
	TimestampMS int64  `json:"timestamp_ms"`
}

// The bodies of the room event stream. Timestamp is the created_at of the record.
type (
	// RoomCreatedBody tells of a new room.
	RoomCreatedBody struct {
		CallbackHead
		RoomName string   `json:"room_name"`
		AdminIDs []string `json:"admin_ids"`
	}
	// RoomClosedBody tells of a closed room.
	RoomClosedBody struct {
		CallbackHead
		FinalStats Stats `json:"final_stats"`
	}
	// UserJoinedBody tells that a session began.
	UserJoinedBody struct {
		CallbackHead
		UserID    string `json:"user_id"`
		Nickname  string `json:"nickname"`
		SessionID string `json:"session_id"`
	}
	// UserLeftBody tells that a session ended.
	UserLeftBody struct {
		CallbackHead
		UserID    string      `json:"user_id"`
		Nickname  string      `json:"nickname"`
		SessionID string      `json:"session_id"`
		Duration  int64       `json:"duration"` // seconds
		Reason    LeaveReason `json:"reason"`
	}
)

// BatchHead is what both batch bodies tell of their place in the log.
type BatchHead struct {
	CallbackHead
	BatchID     string `json:"batch_id"` // = event_id
	IsLastBatch bool   `json:"is_last_batch"`
	Topic       string `json:"topic"`
	Partition   int    `json:"partition"`
	FirstOffset int64  `json:"first_offset"`
	LastOffset  int64  `json:"last_offset"`
	Watermark   string `json:"watermark"` // partition:last_offset, for min_watermark of the sync API
}

// ChatBatchBody carries a batch of messages.
type ChatBatchBody struct {
	BatchHead
	Messages []ChatRecord `json:"messages"`
}

// SessionBatchBody carries a batch of finished sessions.
type SessionBatchBody struct {
	BatchHead
	Sessions []SessionRecord `json:"sessions"`
}

// PeriodicBody is a snapshot of a room.
type PeriodicBody struct {
	CallbackHead
	RoomInfo     RoomInfo      `json:"room_info"`
	Stats        PeriodicStats `json:"stats"`
	LastSyncTime int64         `json:"last_sync_time"` // Unix seconds; 0 at the first
}

// PeriodicStats adds the number of messages.
type PeriodicStats struct {
	Stats
	TotalMessages int64 `json:"total_messages"`
}
