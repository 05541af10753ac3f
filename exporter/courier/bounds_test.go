package courier

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"splitsync/exporter/send"
)

func TestPolicies(t *testing.T) {
	for policy, want := range map[Policy]Verdict{DeadLetter: Refused, Pause: 0} {
		synctest.Test(t, func(t *testing.T) {
			cfg := auto()
			cfg.Policy = policy
			b := newBench(t, cfg, &script{answer: func(string, time.Time) send.Result { return status(400) }})
			b.submit("a", 1)
			b.after(time.Hour)
			if got := b.verdict("a"); got != want || b.b.Health().Paused != (policy == Pause) {
				t.Errorf("%s: verdict %d, paused %t", policy, got, b.b.Health().Paused)
			}
		})
	}
}

func TestNoRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := auto()
		cfg.Retries, cfg.Delay = 0, 0
		b := newBench(t, cfg, &script{answer: func(string, time.Time) send.Result { return status(400) }})
		b.submit("a", 1)
		b.after(time.Millisecond)
		if b.verdict("a") != Refused || b.ended["a"].Attempts != 1 {
			t.Errorf("%+v", b.ended["a"])
		}
	})
}

func TestTooBigIsSplitIfItCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, auto(), &script{answer: func(string, time.Time) send.Result { return status(413) }})
		b.submit("many", 2)
		b.submit("one", 1)
		b.after(5 * time.Minute)
		if b.verdict("many") != TooBig || b.ended["many"].Attempts != 1 || b.verdict("one") != Refused {
			t.Errorf("%+v", b.ended)
		}
	})
}

func TestConcurrencyIsBoundedAndTheLeaseIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{takes: time.Second, answer: func(string, time.Time) send.Result { return status(200) }}
		b := newBench(t, auto(), s)
		b.live = false
		for i := range 12 {
			b.submit(fmt.Sprint(i), 1)
		}
		b.after(time.Minute)
		if len(s.seen) != 0 {
			t.Fatalf("%d requests without a lease", len(s.seen))
		}
		b.mu.Lock()
		b.live = true
		b.mu.Unlock()
		b.after(4 * time.Second)
		if s.most != 4 || len(b.ended) != 12 {
			t.Errorf("at most %d at once, %d ended", s.most, len(b.ended))
		}
	})
}

func TestFullBuffersGiveUpAFailingRoomOnlyIfOthersSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := auto()
		cfg.Retries = 50
		s := &script{answer: func(id string, _ time.Time) send.Result {
			if id == "poison" {
				return status(500)
			}
			return status(200)
		}}
		b := newBench(t, cfg, s)
		b.submit("poison", 1)
		b.after(20 * time.Second)
		b.c.Press(b.ctx, "poison")
		b.after(time.Millisecond)
		if b.verdict("poison") != 0 {
			t.Fatal("given up without a witness")
		}
		b.submit("lobby", 1)
		b.after(time.Second)
		b.c.Press(b.ctx, "poison")
		b.after(time.Millisecond)
		if b.verdict("poison") != Refused {
			t.Error("not given up")
		}
	})
}

func TestEndReportsWhatStillSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{takes: 500 * time.Millisecond, answer: func(string, time.Time) send.Result { return status(200) }}
		b := NewBreaker(time.Second, time.Second)
		c := New(auto(), s, b, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.Run(ctx) }()
		delivered := 0
		for i := range 9 { // four are on their way, five wait
			c.Submit(ctx, &Parcel{
				ID: fmt.Sprint(i), Room: fmt.Sprint(i), Records: 1, Live: func() bool { return true },
				Body: func() (send.Body, error) { return send.Bytes("{}"), nil }, End: func(Report) { delivered++ },
			})
		}
		synctest.Wait()
		cancel()
		<-done
		if delivered != 4 || len(s.seen) != 4 {
			t.Errorf("%d delivered, %d sent", delivered, len(s.seen))
		}
		if c.Submit(t.Context(), &Parcel{}) {
			t.Error("an ended courier takes parcels")
		}
	})
}
