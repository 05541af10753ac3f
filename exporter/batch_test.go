package exporter

import (
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"splitsync/internal/testkit"
)

func TestChatBatchesHoldEverythingInOrder(t *testing.T) {
	r, to := newRig(t, 3), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL = to.URL()
	r.say("lobby", 0, 25)
	run := r.start(cfg, nil)
	r.say("attic", 0, 3)
	r.say("lobby", 25, 7)
	waitSaid(t, to, map[string]int{"lobby": 32, "attic": 3})
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	verifier, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, req := range to.Accepted() {
		if err := verifier.Verify(req.Body, req.Header); err != nil {
			t.Errorf("%s: %v", req.ID, err)
		}
	}
	for _, b := range chatBodies(t, to.Accepted()) {
		if len(b.Messages) > 10 {
			t.Errorf("batch %s holds %d messages", b.BatchID, len(b.Messages))
		}
		if full := len(b.Messages) == 10; full == b.IsLastBatch {
			t.Errorf("batch %s of %d: is_last_batch %t", b.BatchID, len(b.Messages), b.IsLastBatch)
		}
	}
}
