package service

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// Logger writes JSON lines at level and above to w. Times are UTC.
func Logger(level slog.Level, w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
				a.Value = slog.TimeValue(a.Value.Time().UTC())
			}
			return a
		},
	}))
}

// Throttle lets the same failure through to the log at most once in an interval and counts the rest: the next line that passes has the number
// of those held back as "suppressed". Counters in metrics are the caller's. Safe for concurrent use.
type Throttle struct {
	log   *slog.Logger
	every time.Duration

	mu   sync.Mutex
	seen map[string]*repeat
}

type repeat struct {
	logged     time.Time
	suppressed int
}

// maxThrottleKeys bounds the memory of a Throttle; beyond it, keys that are due again are forgotten, and if none is, everything is.
const maxThrottleKeys = 1024

// NewThrottle logs a key at most once in every (a minute when every is 0).
func NewThrottle(log *slog.Logger, every time.Duration) *Throttle {
	if every <= 0 {
		every = time.Minute
	}
	return &Throttle{log: log, every: every, seen: map[string]*repeat{}}
}

// Warn logs msg with args unless key was logged less than the interval ago. It reports whether it wrote a line. key says what counts as the same
// failure, for example "insert/3"; keep it from a bounded set.
func (t *Throttle) Warn(key, msg string, args ...any) bool {
	return t.pass(t.log.Warn, key, msg, args)
}

// Error is Warn at level error.
func (t *Throttle) Error(key, msg string, args ...any) bool {
	return t.pass(t.log.Error, key, msg, args)
}

func (t *Throttle) pass(write func(string, ...any), key, msg string, args []any) bool {
	suppressed, due := t.due(key, time.Now())
	if !due {
		return false
	}
	if suppressed > 0 {
		args = append(args[:len(args):len(args)], "suppressed", suppressed)
	}
	write(msg, args...)
	return true
}

func (t *Throttle) due(key string, now time.Time) (suppressed int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.seen[key]
	if ok && now.Sub(r.logged) < t.every {
		r.suppressed++
		return 0, false
	}
	if ok {
		suppressed = r.suppressed
	} else {
		t.makeRoom(now)
	}
	t.seen[key] = &repeat{logged: now}
	return suppressed, true
}

func (t *Throttle) makeRoom(now time.Time) {
	if len(t.seen) < maxThrottleKeys {
		return
	}
	for k, r := range t.seen {
		if now.Sub(r.logged) >= t.every {
			delete(t.seen, k)
		}
	}
	if len(t.seen) >= maxThrottleKeys {
		clear(t.seen)
	}
}
