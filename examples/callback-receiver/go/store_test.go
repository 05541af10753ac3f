package main

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAFailedWriteIsNotStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.jsonl")
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte(`{"event_type":"user_joined","room_id":"r","timestamp":1}`)
	b, err := parseBody(raw)
	if err != nil {
		t.Fatal(err)
	}
	s.file.Close() // the next write fails
	if status, err := s.add("id", b, raw, false, true); err == nil {
		t.Fatalf("add with a broken file = %q, want an error", status)
	}
	if s, err = openStore(path); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if status, err := s.add("id", b, raw, false, true); status != "stored" || err != nil {
		t.Errorf("add after the fault = %q, %v; want stored: the first one was not", status, err)
	}
	if status, err := s.add("id", b, append(raw, ' '), false, true); status != "duplicate" || err != nil || s.stats().Conflicts != 1 {
		t.Errorf("add of other bytes = %q, %v, %d conflicts; want duplicate and 1", status, err, s.stats().Conflicts)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	r := newRooms()
	for i := range maxRooms + 10 {
		r.apply(&body{kind: "user_joined", RoomID: string(rune('a'+i%26)) + string(rune('0'+i/26)), Timestamp: int64(i)})
	}
	if len(r.byID) != maxRooms || r.recent.Len() != maxRooms {
		t.Errorf("%d rooms are kept, %d in order; want %d", len(r.byID), r.recent.Len(), maxRooms)
	}
	if r.get("a0") != nil {
		t.Error("the room silent longest is still there")
	}
	b := &body{kind: "chat_history_batch", RoomID: "z"}
	b.Messages = make([]messageRecord, maxRecent+5)
	r.apply(b)
	if got := r.get("z"); got.Messages != maxRecent+5 || len(got.RecentMessages) != maxRecent {
		t.Errorf("%d messages, %d kept; want %d and %d", got.Messages, len(got.RecentMessages), maxRecent+5, maxRecent)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, options{addr: "127.0.0.1:0", maxBody: 1}); err != nil {
		t.Error(err)
	}
	if err := run(ctx, options{secrets: []string{"not base64!"}}); err == nil {
		t.Error("run took a secret that is not base64")
	}
}
