package ingest

import (
	"bytes"
	"testing"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

func TestLetterKeepsTheRecord(t *testing.T) {
	rec := kafkalog.Record{
		Topic: event.Chat, Partition: 2, Offset: 17, Time: 99, Key: []byte("room"), Value: []byte("no json"),
		Headers: []kafkalog.Header{{Key: "type", Value: []byte("message")}},
	}
	out := letterOf(rec, reasonUndecodable, "not JSON at byte 1").records()
	if len(out) != 1 || string(out[0].Key) != "chat/2/17" || string(out[0].Value) != "no json" {
		t.Fatalf("got %+v", out)
	}
	got := kafkalog.Record{Headers: out[0].Headers}
	for key, want := range map[string]string{"reason": "undecodable", "detail": "not JSON at byte 1", "time": "99", "key": "room", "record.type": "message"} {
		if string(got.Header(key)) != want {
			t.Errorf("header %s is %q, want %q", key, got.Header(key), want)
		}
	}
}

func TestBigLetterComesInParts(t *testing.T) {
	value := bytes.Repeat([]byte("0123456789"), 100_000)
	out := letterOf(kafkalog.Record{Topic: event.Chat, Value: value}, reasonRefused, "").records()
	var whole []byte
	for i, r := range out {
		rec := kafkalog.Record{Headers: r.Headers}
		if want := []string{"1/2", "2/2"}[i]; string(rec.Header("part")) != want {
			t.Errorf("part %d is %q", i, rec.Header("part"))
		}
		whole = append(whole, r.Value...)
	}
	if !bytes.Equal(whole, value) {
		t.Errorf("%d parts give %d bytes of %d", len(out), len(whole), len(value))
	}
}

func TestGapLetterNamesTheRange(t *testing.T) {
	l, err := gapLetter(&kafkalog.OvertakenError{Topic: event.Chat, Partition: 3, From: 10, To: 25})
	if err != nil {
		t.Fatal(err)
	}
	r := l.records()[0]
	if string(r.Key) != "chat/3/10" || string(r.Value) != `{"topic":"chat","partition":3,"from_offset":10,"to_offset":25}` {
		t.Errorf("key %s, value %s", r.Key, r.Value)
	}
}
