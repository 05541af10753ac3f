package event

import (
	"strconv"
	"strings"
)

// Aspect names what a register of the topic rooms holds.
type Aspect string

// The aspects of a room. Bans and mutes have a register a user.
const (
	AspectMeta   Aspect = "meta"
	AspectClosed Aspect = "closed" // sticky: once written, the room stays closed
	AspectAdmins Aspect = "admins"
	AspectBan    Aspect = "ban"
	AspectMute   Aspect = "mute"
	AspectStats  Aspect = "stats"
)

// LogRegister is the key, in the topic rooms, of the register that fixes what the meaning of the log depends on.
const LogRegister = "_log"

// RegisterKey is the key of a register of the topic rooms: room|aspect or room|aspect|user.
type RegisterKey struct {
	Room   string
	Aspect Aspect
	User   string // bans and mutes only
}

// String returns the key as it stands in the log.
func (k RegisterKey) String() string {
	s := k.Room + "|" + string(k.Aspect)
	if k.User != "" {
		s += "|" + k.User
	}
	return s
}

// ParseRegisterKey reads what String wrote; ok is false for other keys. A room_id holds no "|", a user_id may.
func ParseRegisterKey(s string) (k RegisterKey, ok bool) {
	room, rest, ok := strings.Cut(s, "|")
	if !ok {
		return RegisterKey{}, false
	}
	aspect, user, _ := strings.Cut(rest, "|")
	return RegisterKey{Room: room, Aspect: Aspect(aspect), User: user}, room != "" && aspect != ""
}

// LogMeta is the value of LogRegister. Every role reads it; none has its own.
type LogMeta struct {
	V             int   `json:"v"`
	Epoch         int   `json:"epoch"` // 1..31
	Partitions    int   `json:"partitions"`
	WindowSeconds int   `json:"dedupe_window_seconds"`
	WindowRecords int64 `json:"dedupe_window_records"`
}

// A register's value carries Seq, the seq of its event in the topic sessions; readers keep the value with the greatest.
type (
	// MetaRegister tells that a room exists.
	MetaRegister struct {
		Seq         uint64 `json:"seq"`
		RoomName    string `json:"room_name"`
		CreatedAtMS int64  `json:"created_at_ms"`
	}
	// ClosedRegister tells that a room is closed for ever.
	ClosedRegister struct {
		Seq        uint64 `json:"seq"`
		ClosedAtMS int64  `json:"closed_at_ms"`
	}
	// AdminsRegister holds the admins of a room.
	AdminsRegister struct {
		Seq          uint64   `json:"seq"`
		AdminUserIDs []string `json:"admin_user_ids"`
	}
	// FlagRegister holds whether a user is banned, or muted.
	FlagRegister struct {
		Seq    uint64 `json:"seq"`
		Active bool   `json:"active"`
		By     string `json:"by,omitempty"`
	}
	// StatsRegister holds what the sessions log tells of a room up to Seq.
	StatsRegister struct {
		Seq uint64 `json:"seq"`
		Stats
		LastActivityMS int64 `json:"last_activity_ms"`
	}
)

// Heartbeat is the value of the key INCARNATION in the topic gateways, written every 2 s. A tombstone tells that the gateway ended its
// sessions by itself.
type Heartbeat struct {
	AtMS    int64 `json:"at_ms"`
	Members int   `json:"members"` // open connections
}

// MemberCount is the value of the key INCARNATION|ROOM in the topic gateways: the members of a room on one gateway.
type MemberCount struct {
	Count int `json:"count"`
}

// SyncNowKey is the key, in the topic control, of the newest demand for a round of the snapshot streams.
const SyncNowKey = "sync|now"

// SyncRequest is the value of SyncNowKey: POST /management/sync writes it, exporters start a round when they see it.
type SyncRequest struct {
	RequestedAtMS int64 `json:"requested_at_ms"`
}

// StreamStartKey is the key, in the topic control, of where a stream of callbacks began in a partition: start|stream|partition.
func StreamStartKey(stream string, partition int) string {
	return "start|" + stream + "|" + strconv.Itoa(partition)
}

// StreamStart is the value of StreamStartKey. It is durable before the stream's first fetch, so that a commit that is missing later is
// known to be lost.
type StreamStart struct {
	Stream    string `json:"stream"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"` // first offset that belongs to the stream
	AtMS      int64  `json:"at_ms"`
}
