package gateway

import (
	"sync"
	"time"
)

// bucket is a token bucket: rate tokens a second, at most burst. It is for one goroutine at a time.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

// newBucket returns a full one.
func newBucket(rate, burst float64, now time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, at: now}
}

// take takes a token; if there is none, it tells how long until there is.
func (b *bucket) take(now time.Time) (wait time.Duration, ok bool) {
	b.refill(now)
	if b.tokens >= 1 {
		b.tokens--
		return 0, true
	}
	return time.Duration((1 - b.tokens) / b.rate * float64(time.Second)), false
}

func (b *bucket) refill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.burst, b.tokens+d.Seconds()*b.rate)
		b.at = now
	}
}

// speech is how much one user may say in one room. Connections that replace each other share it.
type speech struct {
	mu     sync.Mutex
	bucket *bucket // nil = no limit
	last   time.Time
}

func newSpeech(rate float64, now time.Time) *speech {
	s := &speech{}
	if rate > 0 {
		s.bucket = newBucket(rate, max(rate, 1), now)
	}
	return s
}

// take tells whether a message may go now; if not, when. interval is the slow mode, 0 = off.
func (s *speech) take(now time.Time, interval time.Duration) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.last); interval > 0 && !s.last.IsZero() && since < interval {
		return interval - since, false
	}
	if s.bucket != nil {
		if wait, ok := s.bucket.take(now); !ok {
			return wait, false
		}
	}
	s.last = now
	return 0, true
}

// idle tells whether nothing has to be remembered any more.
func (s *speech) idle(now time.Time, interval time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) < interval {
		return false
	}
	if s.bucket == nil {
		return true
	}
	s.bucket.refill(now)
	return s.bucket.tokens >= s.bucket.burst
}
