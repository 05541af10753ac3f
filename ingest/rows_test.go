package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// entry makes an entry of partition 1 as a tail would give it.
func entry(offset int64, e event.Event) kafkalog.Entry {
	out := kafkalog.Entry{Event: e}
	out.Topic, out.Partition, out.Offset = event.Sessions, 1, offset
	if e != nil {
		out.Topic = topicOf(e.Kind())
		out.Key = []byte(e.Room())
	}
	out.Seq, out.CreatedAt = 1<<48|uint64(offset), 1000*offset
	return out
}

func home1(string) int { return 1 }

// Every kind of the one list has its place here: a new one without a decision fails.
func TestTopicOfEveryKind(t *testing.T) {
	for _, spec := range event.Kinds() {
		if got := topicOf(spec.Kind); got != spec.Topic {
			t.Errorf("%s: %s, want %s", spec.Kind, got, spec.Topic)
		}
	}
}

func TestRowsOfChat(t *testing.T) {
	duplicate := entry(4, &event.Message{RoomID: "r", UserID: "ann", Nickname: "Ann", Content: "again", ClientMsgID: "1"})
	duplicate.Duplicate = true
	b := newBatch(slot{event.Chat, 1}, []kafkalog.Entry{
		entry(1, &event.Message{RoomID: "r", UserID: "ann", Nickname: "Ann", Content: "a\x00b\n€", IsAdmin: true, ClientMsgID: "1", ClientTS: 7}),
		entry(2, &event.SystemMessage{RoomID: "r", Content: "hear"}),
		entry(3, &event.CustomEvent{RoomID: "r", UserID: "ann", EventType: "poll", Payload: json.RawMessage(`{"q":"<&>"}`)}),
		duplicate,
	}, home1)
	want := []history.MessageRow{
		{RoomID: "r", CreatedAt: 1000, Seq: 1<<48 | 1, Kind: "message", UserID: "ann", Nickname: "Ann", Content: "a\x00b\n€", IsAdmin: true, ClientMsgID: "1", ClientTS: 7, Partition: 1, Offset: 1},
		{RoomID: "r", CreatedAt: 2000, Seq: 1<<48 | 2, Kind: "system_message", Content: "hear", Partition: 1, Offset: 2},
		{RoomID: "r", CreatedAt: 3000, Seq: 1<<48 | 3, Kind: "custom_event", UserID: "ann", Content: `{"event_type":"poll","payload":{"q":"<&>"}}`, Partition: 1, Offset: 3},
	}
	if d := cmp.Diff(want, b.Messages); d != "" {
		t.Error(d)
	}
	if b.duplicates != 1 || len(b.dead) != 0 || b.records != 4 || len(b.entries) != 0 {
		t.Errorf("duplicates %d, dead %d, records %d, entries %d", b.duplicates, len(b.dead), b.records, len(b.entries))
	}
}

func TestRowsOfSessions(t *testing.T) {
	b := newBatch(slot{event.Sessions, 1}, []kafkalog.Entry{
		entry(1, &event.RoomCreated{RoomID: "r", RoomName: "Room", AdminUserIDs: []string{"ann"}}),
		entry(2, &event.UserJoined{RoomID: "r", UserID: "ann", Nickname: "Ann", SessionID: "s", Incarnation: "7-0"}),
		entry(3, &event.UserLeft{RoomID: "r", UserID: "ann", Nickname: "Ann", SessionID: "s", Incarnation: "7-0", Reason: event.LeaveGatewayLost, JoinTimeMS: 2000, JoinSeq: 1<<48 | 2, LeaveTimeMS: 2500}),
		entry(4, event.NewAdminsChanged("r", []string{"bob"})),
		entry(5, event.NewUserBanned("r", "eve", "ann")),
		entry(6, &event.GatewayFence{Incarnation: "7-0"}),
		entry(7, &event.RoomClosed{RoomID: "r"}),
	}, home1)
	session := history.SessionRow{RoomID: "r", JoinTime: 2000, SessionID: "s", UserID: "ann", Nickname: "Ann", Incarnation: "7-0", JoinSeq: 1<<48 | 2, Partition: 1}
	ended := session
	ended.LeaveSeq, ended.LeaveTime, ended.LeaveReason = 1<<48|3, 2500, "gateway_lost"
	want := history.Block{
		Sessions: []history.SessionRow{session, ended},
		Rooms: []history.RoomRow{
			{RoomID: "r", Aspect: "created", Seq: 1<<48 | 1, At: 1000, RoomName: "Room", AdminUserIDs: []string{"ann"}},
			{RoomID: "r", Aspect: "admins", Seq: 1<<48 | 4, At: 4000, AdminUserIDs: []string{"bob"}},
			{RoomID: "r", Aspect: "closed", Seq: 1<<48 | 7, At: 7000},
		},
	}
	if d := cmp.Diff(want, b.Block); d != "" {
		t.Error(d)
	}
	if b.others != 2 || len(b.entries) != 7 {
		t.Errorf("others %d, entries %d", b.others, len(b.entries))
	}
}

// A record that cannot be stored is a dead letter with its raw bytes, whatever is wrong with it.
func TestRowsOfBadRecords(t *testing.T) {
	broken := entry(1, nil)
	broken.Value, broken.Err = []byte("no json"), errors.New("not JSON at byte 1")
	unknown := entry(2, nil)
	unknown.Err = fmt.Errorf("decode: %w", event.ErrUnknown)
	elsewhere := entry(3, &event.RoomClosed{RoomID: "other"})
	wrongTopic := entry(4, &event.Message{RoomID: "r", UserID: "ann", Nickname: "Ann", Content: "x"})
	wrongTopic.Topic = event.Sessions
	home := func(room string) int {
		if room == "other" {
			return 2
		}
		return 1
	}
	b := newBatch(slot{event.Sessions, 1}, []kafkalog.Entry{broken, unknown, elsewhere, wrongTopic}, home)
	var got []reason
	for _, l := range b.dead {
		got = append(got, l.reason)
	}
	if d := cmp.Diff([]reason{reasonUndecodable, reasonUnknown, reasonMisplaced, reasonMisplaced}, got); d != "" {
		t.Error(d)
	}
	if b.Len() != 0 || string(b.dead[0].value) != "no json" || b.dead[0].offset != 1 {
		t.Errorf("%d rows, letter %+v", b.Len(), b.dead[0])
	}
}

func TestBlockMergesPartitions(t *testing.T) {
	b := newBlock()
	for i := range 3 {
		at := slot{event.Chat, i}
		in := newBatch(at, []kafkalog.Entry{entry(int64(i), &event.SystemMessage{RoomID: "r", Content: "x"})}, home1)
		in.next, in.end = int64(i)+1, 10
		b.add(in)
	}
	if len(b.Messages) != 3 || b.rows() != 3 || b.next[slot{event.Chat, 2}] != 3 || b.ends[slot{event.Chat, 0}] != 10 || b.fates["stored"] != 3 {
		t.Errorf("%+v", b)
	}
}
