package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestLoggerWritesJSON(t *testing.T) {
	var b bytes.Buffer
	log := Logger(slog.LevelInfo, &b)
	log.Debug("hidden")
	log.Info("shown", "partition", 3)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, b.String())
	}
	if line["msg"] != "shown" || line["partition"] != 3.0 || !strings.HasSuffix(line["time"].(string), "Z") {
		t.Errorf("got %v", line)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		th := NewThrottle(Logger(slog.LevelInfo, &b), 0)
		for range 5 {
			th.Warn("insert/3", "insert failed", "partition", 3)
		}
		if !th.Error("insert/4", "insert failed", "partition", 4) {
			t.Error("another key was held back")
		}
		time.Sleep(time.Minute)
		if !th.Warn("insert/3", "insert failed", "partition", 3) {
			t.Error("held back after a minute")
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[2], `"suppressed":4`) {
			t.Errorf("got %s", b.String())
		}
	})
}

func TestThrottleIsBounded(t *testing.T) {
	th := NewThrottle(slog.New(slog.DiscardHandler), time.Hour)
	for i := range 3 * maxThrottleKeys {
		th.Warn(fmt.Sprint(i), "x")
	}
	if len(th.seen) > maxThrottleKeys {
		t.Errorf("%d keys", len(th.seen))
	}
}

var errBroken = errors.New("broken")

func TestGroupFirstErrorEndsAll(t *testing.T) {
	g, ctx := NewGroup(t.Context())
	ended := false
	g.Go("waits", func(ctx context.Context) error {
		<-ctx.Done()
		ended = true
		return fmt.Errorf("read: %w", ctx.Err())
	})
	g.Go("returns", func(context.Context) error { return nil })
	g.Go("breaks", func(context.Context) error { return errBroken })
	err := g.Wait()
	if !errors.Is(err, errBroken) || err.Error() != "breaks: broken" || !ended || ctx.Err() == nil {
		t.Errorf("got %v, ended %v", err, ended)
	}
}

func TestGroupEndOfParentIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if err := Run(ctx, map[string]func(context.Context) error{"a": wait, "b": wait}); err != nil {
		t.Error(err)
	}
}

func TestRetryUntilItWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls, notified := time.Now(), 0, 0
		err := Retry(t.Context(), Backoff{Notify: func(err error, call int) { notified = call }}, func(context.Context) error {
			if calls++; calls < 4 {
				return errBroken
			}
			return nil
		})
		waited := time.Since(start)
		if err != nil || calls != 4 || notified != 3 || waited < 560*time.Millisecond || waited > 840*time.Millisecond {
			t.Errorf("%v after %d calls, %d notes, %v", err, calls, notified, waited)
		}
	})
}

func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		count := func(err error) func(context.Context) error {
			calls = 0
			return func(context.Context) error { calls++; return err }
		}
		if err := Retry(t.Context(), Backoff{Retries: 2}, count(errBroken)); !errors.Is(err, errBroken) || calls != 3 {
			t.Errorf("used up: %v after %d calls", err, calls)
		}
		err := Retry(t.Context(), Backoff{}, count(fmt.Errorf("insert: %w", Permanent(errBroken))))
		if !errors.Is(err, errBroken) || calls != 1 {
			t.Errorf("permanent: %v after %d calls", err, calls)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err = Retry(ctx, Backoff{}, count(errBroken))
		if !errors.Is(err, errBroken) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("context: the last error is lost in %v", err)
		}
		if Permanent(nil) != nil {
			t.Error("Permanent(nil) is an error")
		}
	})
}
