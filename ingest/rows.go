package ingest

import (
	"encoding/json"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// rowBytes is what a row takes in memory beside its text.
const rowBytes = 256

// batch is what one fetch of a partition gave: rows, and the entries of sessions that statistics and registers follow from.
type batch struct {
	slot slot
	next int64 // to be committed when all of it is durable
	end  int64 // of the partition
	history.Block
	entries    []kafkalog.Entry // topic sessions only, without raw bytes
	dead       []letter
	bytes      int // in memory, for the budget
	wire       int // keys and values
	duplicates int
	others     int // records that have no row
	records    int
}

// newBatch sorts the entries of a fetch. It is a pure function of them. home tells the partition where a room belongs.
func newBatch(at slot, entries []kafkalog.Entry, home func(room string) int) batch {
	b := batch{slot: at, records: len(entries)}
	if at.topic == event.Chat {
		b.Messages = make([]history.MessageRow, 0, len(entries))
	}
	for i := range entries {
		b.add(&entries[i], home)
	}
	return b
}

func (b *batch) add(e *kafkalog.Entry, home func(room string) int) {
	b.wire += len(e.Key) + len(e.Value)
	b.bytes += len(e.Key) + len(e.Value) + rowBytes
	switch {
	case e.Err != nil:
		b.dead = append(b.dead, letterOf(e.Record, reasonOf(e.Err), e.Err.Error()))
		return
	case !placed(e, home):
		b.dead = append(b.dead, letterOf(e.Record, reasonMisplaced, "the room does not belong into this topic and partition"))
		return
	case e.Duplicate:
		b.duplicates++
		return
	}
	before := b.Len()
	b.addRows(e)
	if b.Len() == before {
		b.others++
	}
	if b.slot.topic == event.Sessions {
		slim := *e
		slim.Value, slim.Headers = nil, nil
		b.entries = append(b.entries, slim)
	}
}

// placed tells whether a record stands where its kind and room belong. Another one would share its seq with a record of the same room.
func placed(e *kafkalog.Entry, home func(room string) int) bool {
	if topicOf(e.Event.Kind()) != e.Topic {
		return false
	}
	room := e.Event.Room()
	return room == "" || home(room) == e.Partition
}

func topicOf(k event.Kind) event.Topic {
	switch k {
	case event.KindMessage, event.KindSystemMessage, event.KindCustomEvent:
		return event.Chat
	}
	return event.Sessions
}

// addRows adds the rows that an entry is stored as; bans, mutes and fences have none.
func (b *batch) addRows(e *kafkalog.Entry) {
	switch ev := e.Event.(type) {
	case *event.Message:
		r := messageRow(e, ev.RoomID)
		r.UserID, r.Nickname, r.Content, r.IsAdmin, r.ClientMsgID, r.ClientTS = ev.UserID, ev.Nickname, ev.Content, ev.IsAdmin, ev.ClientMsgID, ev.ClientTS
		b.Messages = append(b.Messages, r)
	case *event.SystemMessage:
		r := messageRow(e, ev.RoomID)
		r.Content = ev.Content
		b.Messages = append(b.Messages, r)
	case *event.CustomEvent:
		r := messageRow(e, ev.RoomID)
		r.UserID, r.Content = ev.UserID, customContent(ev)
		b.Messages = append(b.Messages, r)
	case *event.UserJoined:
		b.Sessions = append(b.Sessions, history.SessionRow{
			RoomID: ev.RoomID, JoinTime: e.CreatedAt, SessionID: ev.SessionID, UserID: ev.UserID, Nickname: ev.Nickname,
			Incarnation: ev.Incarnation, JoinSeq: e.Seq, Partition: uint16(e.Partition),
		})
	case *event.UserLeft:
		b.Sessions = append(b.Sessions, history.SessionRow{
			RoomID: ev.RoomID, JoinTime: ev.JoinTimeMS, SessionID: ev.SessionID, UserID: ev.UserID, Nickname: ev.Nickname,
			Incarnation: ev.Incarnation, JoinSeq: ev.JoinSeq, Partition: uint16(e.Partition),
			LeaveSeq: e.Seq, LeaveTime: ev.LeaveTime(e.CreatedAt), LeaveReason: string(ev.Reason),
		})
	case *event.RoomCreated:
		b.Rooms = append(b.Rooms, history.RoomRow{
			RoomID: ev.RoomID, Aspect: history.AspectCreated, Seq: e.Seq, At: e.CreatedAt, RoomName: ev.RoomName, AdminUserIDs: ev.AdminUserIDs,
		})
	case *event.RoomClosed:
		b.Rooms = append(b.Rooms, history.RoomRow{RoomID: ev.RoomID, Aspect: history.AspectClosed, Seq: e.Seq, At: e.CreatedAt})
	case *event.AdminsChanged:
		b.Rooms = append(b.Rooms, history.RoomRow{
			RoomID: ev.Room(), Aspect: history.AspectAdmins, Seq: e.Seq, At: e.CreatedAt, AdminUserIDs: ev.AdminUserIDs,
		})
	}
}

// messageRow has the facts of an entry of chat.
func messageRow(e *kafkalog.Entry, room string) history.MessageRow {
	return history.MessageRow{
		RoomID: room, CreatedAt: e.CreatedAt, Seq: e.Seq, MessageID: e.MessageID, Kind: string(e.Event.Kind()),
		Partition: uint16(e.Partition), Offset: uint64(e.Offset),
	}
}

// customContent is the content of a custom event's row: {"event_type":…,"payload":…}.
func customContent(ev *event.CustomEvent) string {
	content, err := event.Marshal(struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"payload,omitempty"`
	}{ev.EventType, ev.Payload})
	if err != nil { // the payload was valid when the record was decoded
		return ""
	}
	return string(content)
}
