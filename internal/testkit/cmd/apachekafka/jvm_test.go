//go:build jvm

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheCommandGetsABrokerAndGivesItsCode(t *testing.T) {
	out := t.TempDir() + "/brokers"
	code, err := run(t.Context(), []string{"--", "sh", "-c", "echo $TEST_KAFKA_BROKERS > " + out + "; exit 7"})
	if err != nil || code != 7 {
		t.Fatalf("code %d, %v; want 7", code, err)
	}
	text, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(text), "127.0.0.1:") {
		t.Errorf("brokers %q, %v", text, err)
	}
}

func TestASignalEndsTheCommandAndTheBroker(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mark := t.TempDir() + "/runs"
	result := make(chan int, 1)
	go func() {
		code, err := run(ctx, []string{"--", "sh", "-c", "trap 'exit 9' INT; touch " + mark + "; while :; do sleep 0.05; done"})
		if err != nil {
			t.Error(err)
		}
		result <- code
	}()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(mark); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the command did not start")
		}
	}
	cancel()
	if code := <-result; code != 9 {
		t.Errorf("code %d, want 9", code)
	}
}
