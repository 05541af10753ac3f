package gateway

import (
	"context"
	"time"

	"splitsync/event"
)

const drainPoll = 5 * time.Millisecond

// drain ends everything in good order before ctx does: no new connections; the appends in flight get their replies; every connection is
// closed with 4200; the end of every session is durable; the incarnation says that it is done. What is not finished in time is cut off,
// and left to the reaper.
func (s *Server) drain(ctx context.Context) {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	total := s.cfg.DrainTimeout
	s.waitUntil(ctx, total/3, func() bool { return s.inFlight() == 0 })
	for _, c := range s.connections() {
		c.shut(event.CloseDraining, "draining", event.LeaveDrained)
	}
	if !s.waitUntil(ctx, total/3, func() bool { return len(s.connections()) == 0 }) {
		for _, c := range s.connections() {
			c.cancel()
		}
		s.waitUntil(ctx, total/6, func() bool { return len(s.connections()) == 0 })
	}
	done := s.waitUntil(ctx, total/6, func() bool { s.ends.retry(); return s.ends.count() == 0 })
	if !done {
		s.log.Warn("sessions were not ended in time, the reaper will", "sessions", s.ends.count())
	} else if err := s.reporter.End(ctx); err != nil {
		s.log.Warn("end of the incarnation was not written", "error", err.Error())
	}
	s.mu.Lock()
	s.stopped.Store(true)
	s.mu.Unlock()
}

func (s *Server) inFlight() int {
	n := 0
	for _, p := range s.hub.all() {
		n += p.chat.inFlight() + p.sessions.inFlight()
	}
	return n
}

// waitUntil polls cond; false when it did not hold in time.
func (s *Server) waitUntil(ctx context.Context, d time.Duration, cond func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
