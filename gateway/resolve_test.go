package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// A storm of retries after a start must not read the log once for each of them.
func TestRetriesOfUnknownFirstsAreResolvedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, 1000)
		st := newStream(event.Chat, 0, nil)
		readings, broken := 0, false
		r := &resolver{s: s, st: st, facts: func(_ context.Context, entries []kafkalog.Entry) ([]kafkalog.Facts, error) {
			readings++
			time.Sleep(time.Second) // of the bubble: a reading takes a while
			facts := make([]kafkalog.Facts, len(entries))
			for i := range entries {
				if i > 0 && entries[i].Offset <= entries[i-1].Offset {
					t.Errorf("offset %d after %d", entries[i].Offset, entries[i-1].Offset)
				}
				facts[i] = kafkalog.Facts{Duplicate: true, FirstKnown: true, FirstSeq: uint64(entries[i].Offset)}
			}
			if broken {
				return nil, errors.New("gone")
			}
			return facts, nil
		}}
		st.resolve = func(l landing) { r.add(t.Context(), l) }
		told := make([]outcome, 1500)
		send := func(from, to int) {
			entries := entriesFrom(int64(from), to-from)
			for i := range entries {
				entries[i].FirstKnown = false
				f := &flight{done: told[from+i].done, at: time.Now()}
				_ = st.begin(f)
				if i%2 == 0 {
					defer st.answered(f, int64(from+i), nil) // in descending order, after the tail
				} else {
					st.answered(f, int64(from+i), nil)
				}
			}
			st.observe(entries)
		}
		send(0, 1000)
		s.wg.Wait()
		if readings > 2 { // the first ones, and all others that came meanwhile
			t.Errorf("%d readings", readings)
		}
		for i := range 1000 {
			if told[i].times != 1 || told[i].err != nil || told[i].facts.FirstSeq != uint64(i) {
				t.Fatalf("append %d: %+v", i, told[i])
			}
		}
		broken = true
		send(1000, 1001)
		s.wg.Wait()
		if told[1000].times != 1 || !errors.Is(told[1000].err, kafkalog.ErrOutcomeUnknown) {
			t.Errorf("a reading that failed: %+v", told[1000])
		}
	})
}
