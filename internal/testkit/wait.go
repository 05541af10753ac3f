package testkit

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// poll is how often Eventually looks.
const poll = 5 * time.Millisecond

// Eventually waits until cond returns nil and fails the test with cond's last error when that takes longer than timeout.
// cond runs on the test's goroutine, so it may call tb.Fatal.
func Eventually(tb testing.TB, timeout time.Duration, cond func() error) {
	tb.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			tb.Fatalf("not within %s: %v", timeout, err)
		case <-tick.C:
		}
	}
}

// Log returns a logger that writes to the test's log, all levels, until the test ends; later lines are dropped.
func Log(tb testing.TB) *slog.Logger {
	w := &testWriter{tb: tb}
	tb.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// testWriter writes lines to a test that may have ended.
type testWriter struct {
	mu    sync.Mutex
	tb    testing.TB
	ended bool
}

// Write implements io.Writer; a record of slog is one call.
func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.tb.Logf("%s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
}
