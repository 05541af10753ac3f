package exporter

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"splitsync/internal/testkit"
)

func TestFailuresThatPassLoseNothing(t *testing.T) {
	r, to := newRig(t, 2), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL = to.URL()
	to.Script(testkit.Answer{Status: 500}, testkit.Answer{Drop: true}, testkit.Answer{Status: 429}, testkit.Answer{Status: 503})
	r.say("lobby", 0, 30)
	r.start(cfg, nil)
	waitSaid(t, to, map[string]int{"lobby": 30})
	if n := r.journalled("dead_lettered"); n != 0 {
		t.Errorf("%d deliveries are dead-lettered", n)
	}
}

func TestRefusedContentIsDeadLetteredAndOthersGoOn(t *testing.T) {
	for _, status := range []int{400, 422, 500} { // 500: goes on failing while others succeed
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 2), testkit.NewReceiver(t)
			cfg := quick()
			cfg.ChatHistory.URL, cfg.ChatHistory.Size, cfg.MaxRetries = to.URL(), 2, 2
			to.Decide(refuseRoom(t, "poison", status))
			run := r.start(cfg, nil)
			r.say("poison", 0, 4)
			said := 0
			testkit.Eventually(t, patience, func() error { // a room that goes on talking is the witness
				r.say("lobby", said, 2)
				said += 2
				if n := r.journalled("dead_lettered"); n < 2 {
					return fmt.Errorf("%d of 2 batches are dead-lettered", n)
				}
				return nil
			})
			waitSaid(t, to, map[string]int{"lobby": said})
			if st := run.Status()[Chat]; st.State != Running {
				t.Errorf("the stream is %s", st.State)
			}
			r.checkLetters(to, r.letters(2))
		})
	}
}

func TestReceiverThatIsDownLosesNothing(t *testing.T) {
	for name, down := range map[string]testkit.Answer{
		"503": {Status: 503}, "401": {Status: 401}, "redirect": {Status: 302, Header: map[string][]string{"Location": {"/elsewhere"}}}, "cut": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 2), testkit.NewReceiver(t)
			cfg := quick()
			cfg.ChatHistory.URL, cfg.MaxRetries = to.URL(), 1
			r.say("lobby", 0, 12)
			run := r.start(cfg, nil)
			waitSaid(t, to, map[string]int{"lobby": 12})
			to.Decide(func(testkit.Received) testkit.Answer { return down })
			r.say("lobby", 12, 20)
			r.say("attic", 0, 15)
			testkit.Eventually(t, patience, func() error {
				if st := run.Status()[Chat]; st.State != Paused || st.LastError == "" || st.Lag == 0 {
					return fmt.Errorf("status %+v", st)
				}
				return nil
			})
			seen := len(to.Requests())
			to.WaitFor(patience, func(got []testkit.Received) error { // it probes
				if len(got) < seen+3 {
					return errors.New("no probes")
				}
				return nil
			})
			to.Decide(nil)
			waitSaid(t, to, map[string]int{"lobby": 32, "attic": 15})
			if n := r.journalled("dead_lettered"); n != 0 {
				t.Errorf("%d deliveries are dead-lettered", n)
			}
		})
	}
}

func TestDeadURLDoesNotSlowAnotherStream(t *testing.T) {
	r, to, dead := newRig(t, 2), testkit.NewReceiver(t), testkit.NewReceiver(t)
	dead.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Hang: true} })
	cfg := quick()
	cfg.ChatHistory.URL, cfg.SessionHistory.URL, cfg.Timeout = to.URL(), dead.URL(), 200*time.Millisecond
	run := r.start(cfg, nil)
	r.visit("lobby", 0, 20)
	testkit.Eventually(t, patience, func() error {
		if st := run.Status()[Sessions]; st.State != Paused {
			return fmt.Errorf("status %+v", st)
		}
		return nil
	})
	r.say("lobby", 0, 30)
	waitSaid(t, to, map[string]int{"lobby": 30})
	if st := run.Status()[Chat]; st.State != Running {
		t.Errorf("the chat stream is %s", st.State)
	}
}
