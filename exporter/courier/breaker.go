package courier

import (
	"sync"
	"time"
)

// Breaker remembers how a stream's receiver has answered: whether it is paused, and when the next probe is due. It outlives the couriers of
// a stream, one a generation. It is safe for concurrent use.
type Breaker struct {
	min, max time.Duration

	mu      sync.Mutex
	paused  bool
	since   time.Time
	probe   time.Time     // when the next probe is due
	delay   time.Duration // between probes, doubles up to max
	ok      time.Time     // start of the newest request that succeeded
	okAt    time.Time     // when its answer came
	failure string        // reason of the newest failure
	failed  time.Time
}

// Health is a Breaker at one moment.
type Health struct {
	Paused      bool
	PausedSince time.Time
	LastOK      time.Time // when the newest 2xx came; zero: none in this process
	LastFailure time.Time
	LastError   string // short reason, empty when the newest answer was 2xx
}

// NewBreaker returns one that is not paused. Probes are first, then longest apart.
func NewBreaker(first, longest time.Duration) *Breaker {
	return &Breaker{min: first, max: max(first, longest)}
}

// Health returns the state.
func (b *Breaker) Health() Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := Health{Paused: b.paused, LastOK: b.okAt, LastFailure: b.failed}
	if b.paused {
		h.PausedSince = b.since
	}
	if b.paused || b.failed.After(b.okAt) {
		h.LastError = b.failure
	}
	return h
}

// succeed notes a 2xx of a request that began at start. Any success ends the pause; it tells whether there was one.
func (b *Breaker) succeed(start time.Time) (resumed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if start.After(b.ok) {
		b.ok = start
	}
	b.okAt = time.Now()
	resumed, b.paused = b.paused, false
	return resumed
}

// fail notes a failure.
func (b *Breaker) fail(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure, b.failed = reason, time.Now()
}

// succeededSince tells whether a request that began after t, and not longer ago than within, has succeeded.
func (b *Breaker) succeededSince(t time.Time, within time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.ok.IsZero() && b.ok.After(t) && time.Since(b.okAt) <= within
}

// pause stops the stream; the first probe is due after the first delay, or after at least wait. It tells whether it was running.
func (b *Breaker) pause(wait time.Duration) (began bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paused {
		return false
	}
	now := time.Now()
	b.paused, b.since, b.delay = true, now, b.min
	b.probe = now.Add(max(b.delay, wait))
	return true
}

// probed notes a probe that failed: the next comes later.
func (b *Breaker) probed(wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay = min(2*b.delay, b.max)
	b.probe = time.Now().Add(max(b.delay, wait))
}

// hurry brings the next probe forward to the first delay after the last failure: there is a delivery that was never tried.
func (b *Breaker) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if soon := b.failed.Add(b.min); b.paused && soon.Before(b.probe) {
		b.probe = soon
	}
}

// state tells whether the stream is paused, and when the next probe is due.
func (b *Breaker) state() (paused bool, probe time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.paused, b.probe
}
