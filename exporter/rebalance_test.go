package exporter

import (
	"fmt"
	"testing"
	"time"

	"splitsync/internal/testkit"
)

func TestTwoExportersWithRebalancesInTheMiddle(t *testing.T) {
	r, to := newRig(t, 4), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL = to.URL()
	to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Delay: 5 * time.Millisecond} })
	rooms := []string{"lobby", "attic", "cellar", "garden", "kitchen", "hall"}
	said, want := 0, map[string]int{}
	talk := func(n int) {
		for _, room := range rooms {
			r.say(room, said, n)
			want[room] = said + n
		}
		said += n
	}
	first := r.start(cfg, nil)
	talk(15)
	waitSaid(t, to, want)
	talk(40)
	second := r.start(cfg, nil) // joins while requests are under way
	talk(40)
	waitSaid(t, to, want)
	talk(33)
	if err := first.stop(); err != nil { // leaves while requests are under way
		t.Fatal(err)
	}
	talk(20)
	waitSaid(t, to, want)
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStartNowBeginsAtTheEndAndSurvivesALostCommit(t *testing.T) {
	r, to := newRig(t, 1), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL, cfg.Start = to.URL(), "now"
	r.say("lobby", 100, 5)
	run := r.start(cfg, nil)
	testkit.Eventually(t, patience, func() error {
		if _, ok := run.control.start(Chat, 0); !ok {
			return fmt.Errorf("the stream's start is not durable")
		}
		return nil
	})
	r.say("lobby", 0, 12)
	waitSaid(t, to, map[string]int{"lobby": 12})
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	testkit.ForgetCommits(t, r.cfg.Brokers[0], r.cfg.TopicPrefix+Chat.group())
	r.say("lobby", 12, 9)
	before := len(to.Requests())
	again := r.start(cfg, nil)
	waitSaid(t, to, map[string]int{"lobby": 21})
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	for id, n := range to.Counts() {
		if n > 1 {
			t.Errorf("%s was sent %d times, though the journal knows it as done", id, n)
		}
	}
	if before == 0 {
		t.Error("nothing was sent before")
	}
}
