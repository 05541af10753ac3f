package kafkalog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
)

// answered is what a record's done callback was told.
type answered struct {
	offset int64
	err    error
	took   time.Duration
}

// play sends n numbered records with pauses and returns the answers, by value.
func play(t *testing.T, b *broker, n int) map[string]answered {
	t.Helper()
	pauses := rand.New(rand.NewPCG(b.rnd.Uint64(), 2))
	p, err := modelLog(b).NewProducer(t.Context(), event.Rooms)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := map[string]answered{}
	var wg sync.WaitGroup
	for i := range n {
		v, at := fmt.Sprint(i), time.Now()
		tell := func(offset int64, err error) {
			mu.Lock()
			defer mu.Unlock()
			if _, twice := got[v]; twice {
				t.Errorf("record %s was answered twice", v)
			}
			got[v] = answered{offset, err, time.Since(at)}
		}
		wg.Add(1)
		if err := p.Send(0, Outgoing{Value: []byte(v)}, func(o int64, err error) { defer wg.Done(); tell(o, err) }); err != nil {
			wg.Done()
			tell(0, err)
		}
		if pauses.IntN(4) == 0 {
			_ = sleep(t.Context(), time.Duration(pauses.IntN(400))*time.Millisecond)
		}
	}
	wg.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return got
}

func modelLog(b *broker) *Log {
	l := &Log{log: slog.New(slog.DiscardHandler), client: &kafka.Client{Addr: kafka.TCP("model:1"), Transport: b}}
	l.setMeta(Meta{Epoch: 1, Partitions: 1, Window: Window{Seconds: windowSeconds, Records: windowRecords}})
	return l
}

// hold checks the promises of a producer against what the log has.
func (b *broker) hold(t *testing.T, got map[string]answered) (acked int) {
	t.Helper()
	at := map[string][]int{}
	for i, v := range b.log {
		at[v] = append(at[v], i)
	}
	for v, a := range got {
		where := at[v]
		switch {
		case len(where) > 1:
			t.Errorf("record %s stands %d times: %v, answer %v", v, len(where), where, a.err)
		case a.err == nil && (len(where) != 1 || int64(where[0]) != a.offset):
			t.Errorf("record %s was acknowledged at %d and stands at %v", v, a.offset, where)
		case a.err != nil && !errors.Is(a.err, ErrOutcomeUnknown) && len(where) != 0:
			t.Errorf("record %s was refused for certain and stands at %v: %v", v, where, a.err)
		case a.took > 30*time.Second:
			t.Errorf("record %s was answered after %v", v, a.took)
		}
		if a.err == nil {
			acked++
		}
	}
	return acked
}

// Whatever a broker answers, an acknowledged record stands once where its answer said, and what is refused for certain is not in the log.
func TestModelProducerKeepsItsPromises(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(seed, []int{0, 10, 50, 90}[seed%4])
			got := play(t, b, 300)
			if acked := b.hold(t, got); len(got) != 300 || seed%4 == 0 && acked != 300 {
				t.Errorf("%d answers, %d acknowledged", len(got), acked)
			}
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		})
	}
}

// While no new producer id can be had, nothing is sent under the old one: the broker would take it for the batch that had no answer.
func TestModelASpentSessionIsNeverUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1, 0)
		p, err := modelLog(b).NewProducer(t.Context(), event.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		old, ended := p.Incarnation(), p.IncarnationEnded()
		got := map[string]answered{}
		put := func(v string) error {
			at := time.Now()
			offset, err := p.Append(t.Context(), 0, Outgoing{Value: []byte(v)})
			got[v] = answered{offset, err, time.Since(at)}
			return err
		}
		b.faults, b.noIDs = 100, kafka.ClusterAuthorizationFailed
		b.fault(io.ErrUnexpectedEOF)
		if err := put("a"); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("answers lost: %v", err)
		}
		b.fault(nil)
		if err := put("b"); !errors.Is(err, ErrNotStored) {
			t.Errorf("without a producer id: %v", err)
		}
		b.mu.Lock()
		b.noIDs = nil
		b.mu.Unlock()
		<-ended // by itself, without a record
		if p.Incarnation() == old {
			t.Error("the incarnation did not change")
		}
		if err := put("c"); err != nil {
			t.Error(err)
		}
		b.hold(t, got)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// One record that the broker refuses does not hinder those that were queued with it.
func TestModelBisectsToTheRecordAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(2, 20)
		b.poison = "123"
		b.ways = []fault{{false, &net.OpError{Op: "dial", Err: errors.New("refused")}}, {true, io.ErrUnexpectedEOF}}
		got := play(t, b, 300)
		b.hold(t, got)
		if err := got["123"].err; err == nil {
			t.Error("the poison was acknowledged")
		}
	})
}

func TestSequencesStartAgainAtZero(t *testing.T) {
	for _, c := range []struct {
		from int32
		n    int
		want int32
	}{{0, 1000, 1000}, {2147483646, 1, 2147483647}, {2147483647, 1, 0}, {2147483000, 1000, 352}} {
		if got := nextSequence(c.from, c.n); got != c.want {
			t.Errorf("%d records behind %d: %d, want %d", c.n, c.from, got, c.want)
		}
	}
}

// What is not an incarnation fences nobody, and above all not a producer without an id, which could be fenced again and again.
func TestFenceTakesOnlyIncarnations(t *testing.T) {
	l := modelLog(newBroker(3, 0))
	for _, id := range []string{"", "x", "5", "5-", "-1-0", "5--1", "5-0junk", " 5-0", "05-0", "1-32767", "1-99999"} {
		if _, err := l.Fence(t.Context(), event.Rooms, 0, id, Outgoing{Time: 1}); !errors.Is(err, ErrNotIncarnation) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if _, err := l.Fence(t.Context(), event.Rooms, 0, "5-0", Outgoing{Value: []byte("f")}); err == nil {
		t.Error("a fence without a time was taken")
	}
	if at, err := l.Fence(t.Context(), event.Rooms, 0, "5-0", Outgoing{Value: []byte("f"), Time: 1}); err != nil || at != 0 {
		t.Errorf("fenced at %d: %v", at, err)
	}
}
