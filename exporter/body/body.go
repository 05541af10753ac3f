// Package body makes the bytes of callbacks. An encoder of a version never changes: the same cut and the same records give the same bytes,
// in every later build too. A change of a body is a new version beside the old one.
package body

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"splitsync/event"
)

// Version is the version that new cuts get.
const Version = 1

// ErrVersion marks a body version that this build does not know; a newer one may.
var ErrVersion = errors.New("unknown body version")

// Case is how event_type is written.
type Case string

// The cases of event_type.
const (
	Snake  Case = "snake"
	Pascal Case = "pascal"
)

// CheckVersion fails with ErrVersion for a version or case that this build has no encoder for.
func CheckVersion(version int, c Case) error {
	if version != 1 || c != Snake && c != Pascal {
		return fmt.Errorf("body version %d, case %.16q: %w", version, c, ErrVersion)
	}
	return nil
}

func (c Case) of(t event.CallbackType) string {
	if c == Pascal {
		return t.Pascal()
	}
	return string(t)
}

// Batch is what decides the head of a batch body.
type Batch struct {
	ID          string
	Room        string
	Topic       event.Topic
	Partition   int
	First, Last int64
	IsLastBatch bool
	Version     int
	Case        Case
	CreatedAtMS int64 // of its last record
}

// Record encodes one record of a batch as version wants it.
func Record(version int, record any) ([]byte, error) {
	if err := CheckVersion(version, Snake); err != nil {
		return nil, err
	}
	return event.Marshal(record)
}

// ChatRecord is a message as a batch carries it; facts are those of its record in the log.
func ChatRecord(m *event.Message, seq uint64, id string, createdAtMS int64) event.ChatRecord {
	return event.ChatRecord{
		UserID: m.UserID, Nickname: m.Nickname, Content: m.Content, IsAdmin: m.IsAdmin,
		ClientMsgID: m.ClientMsgID, ClientTS: m.ClientTS,
		CreatedAt: event.Seconds(createdAtMS), CreatedAtMS: createdAtMS, MessageID: id, Seq: seq,
	}
}

// Chat encodes a chat_history_batch of records that Record encoded.
func Chat(b Batch, records [][]byte) ([]byte, error) {
	return batch(event.CallbackChatBatch, "messages", b, records)
}

// Sessions encodes a session_history_batch of records that Record encoded.
func Sessions(b Batch, records [][]byte) ([]byte, error) {
	return batch(event.CallbackSessionBatch, "sessions", b, records)
}

func batch(t event.CallbackType, list string, b Batch, records [][]byte) ([]byte, error) {
	if err := CheckVersion(b.Version, b.Case); err != nil {
		return nil, err
	}
	head, err := event.Marshal(event.BatchHead{
		CallbackHead: head(b.Case.of(t), b.ID, b.Room, b.CreatedAtMS),
		BatchID:      b.ID, IsLastBatch: b.IsLastBatch, Topic: string(b.Topic), Partition: b.Partition,
		FirstOffset: b.First, LastOffset: b.Last,
		Watermark: strconv.Itoa(b.Partition) + ":" + strconv.FormatInt(b.Last, 10),
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", b.ID, err)
	}
	size := len(head) + len(list) + len(`,"":[]}`)
	for _, r := range records {
		size += len(r) + 1
	}
	out := make([]byte, 0, size)
	out = append(out, head[:len(head)-1]...)
	out = append(out, `,"`+list+`":[`...)
	for i, r := range records {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, r...)
	}
	return append(out, `]}`...), nil
}

func head(eventType, id, room string, ms int64) event.CallbackHead {
	return event.CallbackHead{EventType: eventType, EventID: id, RoomID: room, Timestamp: event.Seconds(ms), TimestampMS: ms}
}

// Room encodes the callback of a record of the sessions log; createdAtMS is that of the record. ok is false for kinds that have none.
func Room(version int, c Case, id string, e event.Event, createdAtMS int64) (b []byte, ok bool, err error) {
	if err := CheckVersion(version, c); err != nil {
		return nil, false, err
	}
	h := func(t event.CallbackType) event.CallbackHead { return head(c.of(t), id, e.Room(), createdAtMS) }
	var v any
	switch e := e.(type) {
	case *event.RoomCreated:
		admins := e.AdminUserIDs
		if admins == nil {
			admins = []string{}
		}
		v = event.RoomCreatedBody{CallbackHead: h(event.CallbackRoomCreated), RoomName: e.RoomName, AdminIDs: admins}
	case *event.RoomClosed:
		v = event.RoomClosedBody{CallbackHead: h(event.CallbackRoomClosed), FinalStats: e.FinalStats}
	case *event.UserJoined:
		v = event.UserJoinedBody{
			CallbackHead: h(event.CallbackUserJoined), UserID: e.UserID, Nickname: e.Nickname, SessionID: e.SessionID,
		}
	case *event.UserLeft:
		v = event.UserLeftBody{
			CallbackHead: h(event.CallbackUserLeft), UserID: e.UserID, Nickname: e.Nickname, SessionID: e.SessionID,
			Duration: (e.LeaveTime(createdAtMS) - e.JoinTimeMS) / 1000, Reason: e.Reason,
		}
	default:
		return nil, false, nil
	}
	b, err = event.Marshal(v)
	return b, err == nil, err
}

// Periodic encodes a snapshot of a room. Its id is prefix and a hash of everything else in the body.
func Periodic(c Case, prefix string, info event.RoomInfo, stats event.PeriodicStats, last, nowMS int64) (id string, b []byte, err error) {
	p := event.PeriodicBody{
		CallbackHead: head(c.of(event.CallbackPeriodic), "", info.RoomID, nowMS),
		RoomInfo:     info, Stats: stats, LastSyncTime: last,
	}
	if p.RoomInfo.AdminUserIDs == nil {
		p.RoomInfo.AdminUserIDs = []string{}
	}
	without, err := event.Marshal(p)
	if err != nil {
		return "", nil, fmt.Errorf("encode periodic sync of room %s: %w", info.RoomID, err)
	}
	id = prefix + Hash(without)
	p.EventID = id
	b, err = event.Marshal(p)
	return id, b, err
}

// Hash is the end of a snapshot's id: 32 hex digits of the SHA-256 of its body without the id.
func Hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
