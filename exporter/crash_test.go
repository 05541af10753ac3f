package exporter

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"splitsync/internal/testkit"
)

var errCrash = errors.New("crash")

// crash ends an exporter at the n-th passing of a step boundary; from then on every step fails.
type crash struct {
	at Point

	mu   sync.Mutex
	left int
	hit  chan struct{}
}

func crashAt(at Point, n int) *crash { return &crash{at: at, left: n, hit: make(chan struct{})} }

// At implements Fault.
func (c *crash) At(p Point) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left > 0 && p == c.at {
		if c.left--; c.left == 0 {
			close(c.hit)
		}
	}
	if c.left == 0 {
		return fmt.Errorf("%w %s", errCrash, c.at)
	}
	return nil
}

// die waits until the exporter has crashed, and ends what a real crash would have ended.
func (c *crash) die(t *testing.T, run *running) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		select {
		case <-c.hit:
			return nil
		default:
			return fmt.Errorf("the boundary %q was not reached", c.at)
		}
	})
	if err := run.stop(); err != nil && !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
}

func TestCrashAtEveryBoundary(t *testing.T) {
	for _, at := range []Point{BeforeCut, AfterCut, BeforeReadBack, BeforeSend, AfterSend, BeforeDone, AfterDone, BeforeCommit, AfterCommit} {
		for _, nth := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s %d", at, nth), func(t *testing.T) {
				t.Parallel()
				r, to := newRig(t, 2), testkit.NewReceiver(t)
				cfg := quick()
				cfg.ChatHistory.URL = to.URL()
				r.say("lobby", 0, 35)
				r.say("attic", 0, 12)
				dying := crashAt(at, nth)
				run := r.start(cfg, dying)
				r.say("lobby", 35, 10)
				dying.die(t, run)
				r.say("attic", 12, 5)
				cfg.ChatHistory.Size = 7 // settings change over the restart; open deliveries must not
				cfg.Case = "pascal"
				second := r.start(cfg, nil)
				waitSaid(t, to, map[string]int{"lobby": 45, "attic": 17})
				if err := second.stop(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestCrashInTheMiddleOfARequest(t *testing.T) {
	r, to := newRig(t, 2), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL = to.URL()
	dying := crashAt("in request", 2)
	to.Decide(func(testkit.Received) testkit.Answer {
		_ = dying.At("in request")
		return testkit.Answer{}
	})
	r.say("lobby", 0, 35)
	dying.die(t, r.start(cfg, dying))
	to.Decide(nil)
	r.start(cfg, nil)
	waitSaid(t, to, map[string]int{"lobby": 35})
}

func TestCrashBetweenDeadLetterAndJournal(t *testing.T) {
	for _, at := range []Point{BeforeDeadLetter, AfterDeadLetter, AfterGivenUp} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 2), testkit.NewReceiver(t)
			cfg := quick()
			cfg.ChatHistory.URL, cfg.MaxRetries = to.URL(), 1
			to.Decide(refuseRoom(t, "poison", 400))
			r.say("poison", 0, 3)
			r.say("lobby", 0, 12)
			dying := crashAt(at, 1)
			dying.die(t, r.start(cfg, dying))
			run := r.start(cfg, nil)
			waitSaid(t, to, map[string]int{"lobby": 12})
			letters := r.letters(1)
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
			r.checkLetters(to, letters)
		})
	}
}

func TestCrashAroundASplit(t *testing.T) {
	for _, at := range []Point{BeforeSplit, AfterSplit} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 1), testkit.NewReceiver(t)
			cfg := quick()
			cfg.ChatHistory.URL = to.URL()
			to.Decide(func(got testkit.Received) testkit.Answer {
				if len(chatBodies(t, []testkit.Received{got})[0].Messages) > 3 {
					return testkit.Answer{Status: 413}
				}
				return testkit.Answer{}
			})
			r.say("lobby", 0, 20)
			dying := crashAt(at, 2)
			dying.die(t, r.start(cfg, dying))
			r.start(cfg, nil)
			waitSaid(t, to, map[string]int{"lobby": 20})
		})
	}
}

func TestCrashOfALegacyStreamAnswersItsTriggers(t *testing.T) {
	for _, at := range []Point{BeforeSend, BeforeCommit} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 1).withHistory(), testkit.NewReceiver(t)
			cfg := quick()
			cfg.Data.URL = to.URL()
			dying := crashAt(at, 1)
			run := r.start(cfg, dying)
			r.found("lobby")
			dying.die(t, run)
			seen := len(to.Requests())
			r.start(cfg, nil)
			to.WaitForAccepted(patience, seen+1)
			if b := legacy(t, to.Accepted()[seen]); b.RoomID != "lobby" {
				t.Errorf("%+v", b)
			}
		})
	}
}
