package kafkalog_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// said is one record of a random log.
type said struct {
	user, id string
	at       int64
}

// randomLog has few keys, equal times, clocks that jump, bursts and silences, so that every edge of the window is met.
func randomLog(rnd *rand.Rand, n int) []said {
	log := make([]said, n)
	clock := time.Now().Add(-time.Hour).UnixMilli()
	for i := range log {
		switch rnd.IntN(12) {
		case 0: // equal times
		case 1:
			clock -= int64(rnd.IntN(1500))
		case 2:
			clock += int64(rnd.IntN(4)) * 500
		case 3:
			clock += int64(rnd.IntN(3000))
		default:
			clock += int64(rnd.IntN(200))
		}
		log[i] = said{user: fmt.Sprint("u", rnd.IntN(2)), at: clock}
		if rnd.IntN(5) > 0 {
			log[i].id = fmt.Sprint(rnd.IntN(4))
		}
	}
	return log
}

// plainFacts computes the facts as DESIGN §2.5 defines them, by looking at all earlier records.
func plainFacts(m kafkalog.Meta, log []said) []kafkalog.Facts {
	facts := make([]kafkalog.Facts, len(log))
	created := int64(0)
	for i, r := range log {
		created = max(created, r.at)
		f := kafkalog.Facts{Seq: m.SeqOf(int64(i)), CreatedAt: created, MessageID: m.MessageID(created, 0, int64(i)), FirstKnown: true}
		f.FirstSeq, f.FirstCreatedAt, f.FirstMessageID = f.Seq, f.CreatedAt, f.MessageID
		for j := range i {
			same := r.id != "" && log[j].id == r.id && log[j].user == r.user
			if same && int64(i-j) <= m.Window.Records && created-facts[j].CreatedAt <= int64(m.Window.Seconds)*1000 {
				f.Duplicate = true
				f.FirstSeq, f.FirstCreatedAt, f.FirstMessageID = facts[j].FirstSeq, facts[j].FirstCreatedAt, facts[j].FirstMessageID
			}
		}
		facts[i] = f
	}
	return facts
}

// smallWindow gives a log another meaning: a greater epoch with a small window.
func smallWindow(t *testing.T, l *kafkalog.Log, seconds int, records int64) kafkalog.Meta {
	t.Helper()
	value, err := event.Marshal(event.LogMeta{V: 1, Epoch: 2, Partitions: 1, WindowSeconds: seconds, WindowRecords: records})
	if err != nil {
		t.Fatal(err)
	}
	p := producer(t, l, event.Rooms)
	if _, err := p.Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte(event.LogRegister), Value: value}); err != nil {
		t.Fatal(err)
	}
	m, err := l.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A reader that starts anywhere in a random log computes for every record what the definition says.
func TestFactsAreThoseOfTheDefinition(t *testing.T) {
	for seed, window := range []kafkalog.Window{{Seconds: 1, Records: 1000}, {Seconds: 2, Records: 5}, {Seconds: 1000, Records: 3}, {Seconds: 2, Records: 20}} {
		t.Run(fmt.Sprint(window), func(t *testing.T) {
			l, _ := open(t, 1)
			m := smallWindow(t, l, window.Seconds, window.Records)
			log := randomLog(rand.New(rand.NewPCG(uint64(seed), 7)), 80)
			p := producer(t, l, event.Chat)
			for _, r := range log {
				appendEvent(t, p, message("room", r.user, r.id, "x"), r.at)
			}
			want := plainFacts(m, log)
			for from := range log {
				tail, err := l.OpenTail(t.Context(), event.Chat, 0, int64(from))
				if err != nil {
					t.Fatal(err)
				}
				compare(t, tail, want, from)
			}
		})
	}
}

func compare(t *testing.T, tail *kafkalog.Tail, want []kafkalog.Facts, from int) {
	t.Helper()
	for i, e := range readAll(t, tail, len(want)-from) {
		got, err := tail.ResolveFirst(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		if got != want[from+i] {
			t.Fatalf("from %d, record %d:\ngot  %+v\nwant %+v", from, from+i, got, want[from+i])
		}
		if e.Facts != got && (e.FirstKnown || e.Duplicate != got.Duplicate || e.CreatedAt != got.CreatedAt) {
			t.Fatalf("from %d, record %d: before resolving %+v, after %+v", from, from+i, e.Facts, got)
		}
	}
}
