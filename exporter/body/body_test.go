package body

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"splitsync/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

const at = int64(1795469000123)

func batchOf(c Case) Batch {
	return Batch{
		ID: "chat:1:3:lobby:1042", Room: "lobby", Topic: event.Chat, Partition: 3, First: 1042, Last: 1044,
		IsLastBatch: true, Version: 1, Case: c, CreatedAtMS: at,
	}
}

func left() *event.UserLeft {
	return &event.UserLeft{
		RoomID: "lobby", UserID: "ann", Nickname: "Ann <b> & \u2028 \U0001F600", SessionID: "0193-session", Incarnation: "7-0", Reason: event.LeaveLeft,
		JoinTimeMS: at - 61_500, JoinSeq: 1<<48 + 7,
	}
}

func mustRecord(t *testing.T, v any) []byte {
	t.Helper()
	b, err := Record(1, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bodies are one body of each kind, by the name of its golden file.
func bodies(t *testing.T, c Case) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	keep := func(name string, b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	message := &event.Message{
		RoomID: "lobby", UserID: "ann", Nickname: "Ann", Content: "hi <b>\"all\"</b>\n\x00\u2028", ClientMsgID: "c-1", ClientTS: at - 5, IsAdmin: true,
	}
	plain := &event.Message{RoomID: "lobby", UserID: "bob", Nickname: "Bob", Content: "yes"}
	b, err := Chat(batchOf(c), [][]byte{
		mustRecord(t, ChatRecord(message, 1<<48+1042, "019a3b6f-0000-8001-8003-000000000412", at-900)),
		mustRecord(t, ChatRecord(plain, 1<<48+1044, "019a3b6f-0001-8001-8003-000000000414", at)),
	})
	keep("chat_history_batch", b, err)
	sessions := batchOf(c)
	sessions.ID, sessions.Topic, sessions.IsLastBatch = "sessions:1:3:lobby:1042", event.Sessions, false
	b, err = Sessions(sessions, [][]byte{mustRecord(t, event.NewSessionRecord(left(), at))})
	keep("session_history_batch", b, err)
	for name, e := range map[string]event.Event{
		"room_created": &event.RoomCreated{RoomID: "lobby", RoomName: "The lobby", AdminUserIDs: []string{"root"}},
		"room_closed":  &event.RoomClosed{RoomID: "lobby", FinalStats: event.Stats{CurrentUsers: 0, PeakUsers: 3, TotalJoins: 9}},
		"user_joined":  &event.UserJoined{RoomID: "lobby", UserID: "ann", Nickname: "Ann", SessionID: "0193-session", Incarnation: "7-0"},
		"user_left":    left(),
	} {
		b, ok, err := Room(1, c, "room_events:1:3:lobby:1042:1s", e, at)
		if !ok {
			t.Fatalf("%s has no callback", name)
		}
		keep(name, b, err)
	}
	_, b, err = Periodic(c, "periodic:1:3:lobby:", event.RoomInfo{
		RoomID: "lobby", RoomName: "The lobby", CurrentConnections: 2, CreatedAt: 1795468000, CreatedAtMS: 1795468000000,
		LastActivity: 1795469000, LastActivityMS: at,
	}, event.PeriodicStats{Stats: event.Stats{CurrentUsers: 2, PeakUsers: 3, TotalJoins: 9}, TotalMessages: 12}, 1795468700, at)
	keep("periodic_sync", b, err)
	return out
}

func TestBodiesStayAsTheyAre(t *testing.T) {
	for _, c := range []Case{Snake, Pascal} {
		for name, b := range bodies(t, c) {
			if !json.Valid(b) {
				t.Errorf("%s is not JSON: %s", name, b)
			}
			path := filepath.Join("testdata", "v1", string(c), name+".json")
			if *update {
				if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(golden) != string(b)+"\n" {
				t.Errorf("%s/%s:\n%s\nthe golden file has\n%s", c, name, b, golden)
			}
			var head event.CallbackHead
			if err := json.Unmarshal(b, &head); err != nil {
				t.Fatal(err)
			}
			want := name
			if c == Pascal {
				want = event.CallbackType(name).Pascal()
			}
			if head.EventType != want || head.EventID == "" || head.RoomID != "lobby" {
				t.Errorf("%s: %+v", name, head)
			}
		}
	}
}

// TestBatchIsWhatItsStructSays keeps the hand-made bytes equal to those of the struct that documents them.
func TestBatchIsWhatItsStructSays(t *testing.T) {
	b := bodies(t, Snake)["chat_history_batch"]
	var v event.ChatBatchBody
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	again, err := event.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(b) {
		t.Errorf("%s\n%s", b, again)
	}
	if v.Messages[0].Content != "hi <b>\"all\"</b>\n\x00\u2028" || v.Watermark != "3:1044" || v.Timestamp != at/1000 {
		t.Errorf("%+v", v)
	}
}

func TestUnknownVersionsAreNotGuessed(t *testing.T) {
	b := batchOf(Snake)
	b.Version = 2
	if _, err := Chat(b, nil); !errors.Is(err, ErrVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := Chat(batchOf("kebab"), nil); !errors.Is(err, ErrVersion) {
		t.Errorf("case kebab: %v", err)
	}
	if _, ok, err := Room(1, Snake, "x", event.NewUserBanned("lobby", "ann", ""), at); ok || err != nil {
		t.Errorf("a ban has a callback: %v", err)
	}
}

func TestSnapshotIDEndsInItsHash(t *testing.T) {
	info := event.RoomInfo{RoomID: "lobby"}
	id, b, err := Periodic(Snake, "p:", info, event.PeriodicStats{}, 0, at)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(string(b), id, "", 1)
	if id != "p:"+Hash([]byte(without)) {
		t.Errorf("id %s of %s", id, b)
	}
	if other, _, _ := Periodic(Snake, "p:", info, event.PeriodicStats{}, 0, at+1); other == id {
		t.Error("other bytes have the same id")
	}
}
