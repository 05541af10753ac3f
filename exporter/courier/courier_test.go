package courier

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"splitsync/exporter/send"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers requests by room.
type script struct {
	mu     sync.Mutex
	answer func(id string, now time.Time) send.Result
	seen   []string
	times  []time.Time
	flying int
	most   int
	takes  time.Duration
}

// Do implements Sender.
func (s *script) Do(ctx context.Context, r send.Request) send.Result {
	s.mu.Lock()
	s.seen, s.times = append(s.seen, r.ID), append(s.times, time.Now())
	s.flying++
	s.most = max(s.most, s.flying)
	answer := s.answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.flying--
		s.mu.Unlock()
	}()
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return send.Result{Outcome: send.Transient, Reason: "canceled"}
	}
	return answer(r.ID, time.Now())
}

func status(code int) send.Result {
	return send.Result{Outcome: send.OfStatus(code), Status: code, Reason: fmt.Sprint("status ", code)}
}

// bench is a courier at work in a bubble of synthetic time.
type bench struct {
	t     *testing.T
	c     *Courier
	b     *Breaker
	s     *script
	ctx   context.Context
	mu    sync.Mutex
	ended map[string]Report
	when  map[string]time.Time
	live  bool
}

func newBench(t *testing.T, cfg Config, s *script) *bench {
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{t: t, s: s, b: NewBreaker(30*time.Second, 5*time.Minute), ctx: ctx, ended: map[string]Report{}, when: map[string]time.Time{}, live: true}
	b.c = New(cfg, s, b.b, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { defer close(done); b.c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func (b *bench) submit(room string, records int) {
	b.t.Helper()
	ok := b.c.Submit(b.ctx, &Parcel{
		ID: room, Room: room, Records: records,
		Body: func() (send.Body, error) { return send.Bytes("{}"), nil },
		Live: func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.live },
		End: func(r Report) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ended[room], b.when[room] = r, time.Now()
		},
	})
	if !ok {
		b.t.Error("not taken")
	}
}

func (b *bench) verdict(room string) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended[room].Verdict
}

func auto() Config {
	return Config{Concurrency: 4, Retries: 3, Delay: 5 * time.Second, Policy: Auto, Grace: time.Second}
}

func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRetriesBackOffAndHonourRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := &script{}
		s.answer = func(string, time.Time) send.Result {
			switch n++; n {
			case 1:
				return status(500)
			case 2:
				r := status(429)
				r.RetryAfter = 2 * time.Minute
				return r
			}
			return status(200)
		}
		b := newBench(t, auto(), s)
		b.submit("a", 1)
		b.after(10 * time.Minute)
		if b.verdict("a") != Delivered || b.ended["a"].Attempts != 3 {
			t.Fatalf("%+v", b.ended["a"])
		}
		if d := s.times[1].Sub(s.times[0]); d < 4*time.Second || d > 6*time.Second {
			t.Errorf("first retry after %s", d)
		}
		if d := s.times[2].Sub(s.times[1]); d != 2*time.Minute {
			t.Errorf("second retry after %s", d)
		}
	})
}

func TestReceiverThatGoesDownPausesAndComesBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		s := &script{answer: nil}
		s.answer = func(string, time.Time) send.Result {
			if down {
				return status(503)
			}
			return status(200)
		}
		b := newBench(t, auto(), s)
		b.submit("first", 1) // a success shortly before is no witness against those that fail later
		b.after(time.Second)
		s.mu.Lock()
		down = true
		s.mu.Unlock()
		for i := range 6 {
			b.submit(fmt.Sprint("room", i), 1)
		}
		b.after(10 * time.Minute)
		if !b.b.Health().Paused {
			t.Fatal("not paused")
		}
		s.mu.Lock()
		before := len(s.seen)
		s.mu.Unlock()
		b.after(time.Hour)
		s.mu.Lock()
		probes := s.seen[before:]
		down = false
		s.mu.Unlock()
		if len(probes) < 12 || len(probes) > 13 {
			t.Errorf("%d probes an hour, want one in five minutes", len(probes))
		}
		rooms := map[string]bool{}
		for _, id := range probes[:6] {
			rooms[id] = true
		}
		if len(rooms) != 6 {
			t.Errorf("probes do not rotate: %v", probes)
		}
		b.after(6 * time.Minute)
		for i := range 6 {
			if b.verdict(fmt.Sprint("room", i)) != Delivered {
				t.Errorf("room%d: %+v", i, b.ended[fmt.Sprint("room", i)])
			}
		}
		if b.b.Health().Paused {
			t.Error("still paused")
		}
	})
}

func TestPoisonIsGivenUpWhenOthersSucceed(t *testing.T) {
	for name, code := range map[string]int{"refused": 422, "fails": 500, "not found": 404} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answer: func(id string, _ time.Time) send.Result {
					if id == "poison" {
						return status(code)
					}
					return status(200)
				}}
				b := newBench(t, auto(), s)
				b.submit("lobby", 1)
				b.after(time.Second)
				b.submit("poison", 1)
				for i := range 60 {
					b.after(time.Second)
					b.submit(fmt.Sprint("room", i), 1)
				}
				if b.verdict("poison") != Refused || b.ended["poison"].Attempts != 4 {
					t.Errorf("%+v", b.ended["poison"])
				}
				if b.verdict("room59") == 0 && b.b.Health().Paused {
					t.Error("the stream is paused")
				}
			})
		})
	}
}

func TestOneFailingDeliveryOfAQuietStreamDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: func(id string, _ time.Time) send.Result {
			if id == "poison" {
				return status(500)
			}
			return status(200)
		}}
		b := newBench(t, auto(), s)
		b.submit("poison", 1)
		b.after(2 * time.Hour) // paused, probed every five minutes
		if !b.b.Health().Paused || b.verdict("poison") != 0 {
			t.Fatal("not paused")
		}
		b.submit("lobby", 1)
		b.after(31 * time.Second)
		if b.verdict("lobby") != Delivered {
			t.Error("a new delivery waits longer than the first probe interval")
		}
		for i := range 120 {
			b.submit(fmt.Sprint(i), 1)
			b.after(time.Second)
		}
		if b.verdict("poison") != Refused {
			t.Errorf("poison: %+v, %+v, %v", b.ended["poison"], b.b.Health(), s.seen)
		}
	})
}
