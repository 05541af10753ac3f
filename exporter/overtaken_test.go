package exporter

import (
	"errors"
	"fmt"
	"testing"

	"splitsync/event"
	"splitsync/exporter/journal"
	"splitsync/internal/devstack"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// lost returns the ranges that the journal tells as lost.
func (r *rig) lost() []*journal.Lost {
	r.t.Helper()
	var out []*journal.Lost
	r.scan(event.Deliveries, func(rec kafkalog.Record) {
		decoded, err := journal.Decode(rec.Value)
		if err != nil {
			r.t.Fatal(err)
		}
		if l, ok := decoded.(*journal.Lost); ok {
			out = append(out, l)
		}
	})
	return out
}

// TestRetentionThatOvertakesAPausedStreamIsRecorded checks that every offset is delivered or in a recorded range, also when the exporter
// runs all the time (it polls on when the receiver is back) and when it was away.
func TestRetentionThatOvertakesAPausedStreamIsRecorded(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("away %t", away), func(t *testing.T) {
			t.Parallel()
			broker := testkit.FreshBroker(t, devstack.BrokerConfig{Configs: map[string]string{"log.cleaner.backoff.ms": "50"}})
			r := newRigOn(t, kafkalog.Config{
				Brokers: []string{broker.Addr()}, TopicPrefix: testkit.Prefix(t), Partitions: 1, ReplicationFactor: 1, RetentionHours: 168, RetentionBytes: 100_000,
			})
			to := testkit.NewReceiver(t)
			cfg := quick()
			cfg.ChatHistory.URL, cfg.BufferBytes = to.URL(), 20_000
			run := r.start(cfg, nil)
			r.say("lobby", 0, 10)
			waitSaid(t, to, map[string]int{"lobby": 10})
			to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 503} })
			r.shout("lobby", 30, 1000)
			testkit.Eventually(t, patience, func() error {
				if run.Status()[Chat].State != Paused {
					return errors.New("not paused")
				}
				return nil
			})
			if away {
				if err := run.stop(); err != nil {
					t.Fatal(err)
				}
			}
			testkit.Eventually(t, patience, func() error {
				r.shout("lobby", 10, 5000)
				start, _, err := r.log.Offsets(t.Context(), event.Chat, 0)
				if err == nil && start < 60 {
					err = fmt.Errorf("the log starts at %d", start)
				}
				return err
			})
			to.Decide(nil)
			if away {
				run = r.start(cfg, nil)
			}
			r.coveredOrLost(to)
			if err := run.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// coveredOrLost waits until every offset of the chat log is in an accepted batch or in a range that is recorded as lost.
func (r *rig) coveredOrLost(to *testkit.Receiver) {
	r.t.Helper()
	testkit.Eventually(r.t, patience, func() error {
		_, end, err := r.log.Offsets(r.t.Context(), event.Chat, 0)
		if err != nil {
			return err
		}
		seen := make([]bool, end)
		for _, b := range chatBodies(r.t, to.Accepted()) {
			for o := b.FirstOffset; o <= b.LastOffset; o++ {
				seen[o] = true
			}
		}
		lost := r.lost()
		if len(lost) == 0 {
			return errors.New("no range is recorded")
		}
		for _, l := range lost {
			for o := l.From; o < l.To; o++ {
				seen[o] = true
			}
		}
		for o, ok := range seen {
			if !ok {
				return fmt.Errorf("offset %d of %d is neither delivered nor recorded as lost", o, end)
			}
		}
		return nil
	})
	if err := to.SameBytes(); err != nil {
		r.t.Error(err)
	}
}
