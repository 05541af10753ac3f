package ingest

import (
	"fmt"
	"testing"
	"time"

	"splitsync/event"
)

// chatter makes n messages over rooms, each twice where i is divisible by five: the second is the client's retry.
func chatter(from, n, rooms int) (events []event.Event) {
	for i := from; i < from+n; i++ {
		m := say(fmt.Sprintf("room-%d", i%rooms), "ann", fmt.Sprintf("id-%d", i), fmt.Sprintf("text %d", i))
		events = append(events, m)
		if i%5 == 0 {
			events = append(events, m)
		}
	}
	return events
}

// wantMessages asserts what an analyst and the sync API see.
func (f *fixture) wantMessages(n, rooms int) {
	f.t.Helper()
	if got := f.number("SELECT count() FROM $chat_messages"); got != int64(n) {
		f.t.Errorf("chat_messages has %d rows, want %d", got, n)
	}
	if got := f.number("SELECT uniqExact(client_msg_id) FROM $chat_messages"); got != int64(n) {
		f.t.Errorf("chat_messages has %d different messages, want %d", got, n)
	}
	if got := f.number("SELECT sum(messages) FROM $room_hours_v"); got != int64(n) {
		f.t.Errorf("room_hours_v counts %d, want %d", got, n)
	}
	if got := f.number("SELECT uniqExact(room_id) FROM $chat_messages"); got != int64(rooms) {
		f.t.Errorf("%d rooms, want %d", got, rooms)
	}
}

func TestEveryMessageIsStoredOnce(t *testing.T) {
	f := newFixture(t, 3)
	in := f.ingest(nil)
	f.append(chatter(0, 1000, 7)...)
	for _, v := range []string{"no json", `{"v":1,"type":"unheard_of"}`, `{"v":1,"type":"room_closed","room_id":"room-1"}`} {
		f.raw("room-1", v)
	}
	f.append(chatter(1000, 1000, 7)...)
	f.waitCommitted(20 * time.Second)
	f.wantMessages(2000, 7)
	letters := f.letters()
	reasons := map[string]int{}
	for key, l := range letters {
		reasons[string(l.Header(headerReason))]++
		if string(l.Header(headerReason)) == "undecodable" && string(l.Value) != "no json" {
			t.Errorf("letter %s has lost its bytes: %q", key, l.Value)
		}
	}
	if len(letters) != 3 || reasons["undecodable"] != 1 || reasons["unknown"] != 1 || reasons["misplaced"] != 1 {
		t.Errorf("dead letters %v", reasons)
	}
	if got := value(t, in.metrics.Records.WithLabelValues("duplicate")); got != 400 {
		t.Errorf("%v duplicates counted, want 400", got)
	}
	order := f.number("SELECT countIf(seq < before) FROM (SELECT seq, lagInFrame(seq) OVER (PARTITION BY room_id ORDER BY created_at, seq) AS before FROM $chat_messages)")
	if order != 0 {
		t.Errorf("%d messages are not in the order of the log", order)
	}
}

func TestTextSurvivesByteForByte(t *testing.T) {
	f := newFixture(t, 1)
	f.ingest(nil)
	text := "a\x00b\r\n\t\"'\\ \u2028 😀 <&>"
	f.append(say("r", "ann", "1", text))
	f.waitCommitted(20 * time.Second)
	if got := f.query("SELECT hex(content) FROM $chat_messages"); got != fmt.Sprintf("%X", text) {
		t.Errorf("stored %s, want %X", got, text)
	}
}
