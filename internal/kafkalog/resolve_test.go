package kafkalog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

func TestResolveAllIsResolveFirstForEach(t *testing.T) {
	for _, window := range []kafkalog.Window{{Seconds: 5, Records: 1000}, {Seconds: 1000, Records: 6}} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			l, _ := open(t, 1)
			m := smallWindow(t, l, window.Seconds, window.Records)
			log := randomLog(rand.New(rand.NewPCG(3, 7)), 80)
			p := producer(t, l, event.Chat)
			for _, r := range log {
				appendEvent(t, p, message("room", r.user, r.id, "x"), r.at)
			}
			want := plainFacts(m, log)
			unknown := 0
			for from := range log {
				tail, err := l.OpenTail(t.Context(), event.Chat, 0, int64(from))
				if err != nil {
					t.Fatal(err)
				}
				var ask []kafkalog.Entry
				for _, e := range readAll(t, tail, len(log)-from) {
					if !e.FirstKnown {
						ask = append(ask, e)
					}
				}
				unknown += len(ask)
				got, err := tail.ResolveAll(t.Context(), ask)
				if err != nil || len(got) != len(ask) {
					t.Fatalf("%d facts of %d entries: %v", len(got), len(ask), err)
				}
				for i, e := range ask {
					if got[i] != want[e.Offset] {
						t.Fatalf("from %d, offset %d:\ngot  %+v\nwant %+v", from, e.Offset, got[i], want[e.Offset])
					}
				}
			}
			if unknown == 0 {
				t.Error("nothing had to be resolved")
			}
		})
	}
}
