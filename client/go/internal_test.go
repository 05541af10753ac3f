package client

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func FuzzFields(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":{"c":[1,"}"]},"d":"\\\"","e":null}`, ` { "a" : "x\\" , "b":[{"q":"]"}] } `, `{"a":1`, `{"a"}`, `[1]`, `{"a":,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := map[string]string{}
		err := fields(data, func(key, value []byte) { got[string(key)] = string(bytes.TrimSpace(value)) })
		var want map[string]json.RawMessage
		if json.Unmarshal(data, &want) != nil || want == nil {
			return // only that it ends
		}
		if err != nil {
			t.Fatalf("valid object refused: %v", err)
		}
		for key, raw := range got {
			var name string
			if json.Unmarshal([]byte(`"`+key+`"`), &name) != nil {
				t.Fatalf("key %q", key)
			}
			if string(want[name]) != raw && !bytes.Contains(data, []byte(`\`)) {
				t.Errorf("%q: got %s, want %s", name, raw, want[name])
			}
		}
	})
}

func TestRetryWindow(t *testing.T) {
	now := time.Now()
	q := queue{base: 1}
	for _, c := range []*command{
		{msgID: "old", first: now.Add(-101 * time.Second), written: true},
		{msgID: "young", first: now.Add(-99 * time.Second), written: true},
		{first: now, written: true}, // no client_msg_id
		{msgID: "never"},
	} {
		c.done = func(reply, error) {}
		q.add(c)
	}
	q.next = 3
	lost, freed := q.rewind(now)
	if len(lost) != 2 || lost[0].msgID != "old" || lost[1].msgID != "" || freed != 1 {
		t.Errorf("lost %d, freed %d", len(lost), freed)
	}
	if head := q.head(); head.msgID != "young" || head.written || q.next != 0 {
		t.Errorf("head %+v", head)
	}
	buf, _ := q.take(nil, 100, true, now)
	if len(q.items) != 3 || q.unwritten() || !q.head().written {
		t.Errorf("took %q, %d left", buf, len(q.items))
	}
}

func TestWaitIsFullJitter(t *testing.T) {
	o := Options{}.withDefaults()
	longest := time.Duration(0)
	for range 2000 {
		for n, limit := range map[int]time.Duration{1: o.BackoffMin, 3: 4 * o.BackoffMin, 50: o.BackoffMax} {
			d := o.wait(n, time.Second)
			if d < time.Second || d > time.Second+limit {
				t.Fatalf("attempt %d waits %v", n, d)
			}
			longest = max(longest, d)
		}
	}
	if longest < 25*time.Second {
		t.Errorf("longest wait %v of 2000", longest)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for s, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "-3": 0, "100000": 10 * time.Minute, "x": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:00:00 GMT": 0} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
