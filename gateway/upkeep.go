package gateway

import (
	"context"
	"time"

	"splitsync/event"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
)

const diskEvery = 5 * time.Second

// seqBefore returns the position of a reader that reads offset next: all records from there on have greater seqs.
func (s *Server) seqBefore(next int64) uint64 { return s.klog.Meta().SeqOf(next) - 1 }

// beginning is the position before the first record that ever was; in a later epoch there were others before, so it is 0, where nobody can be.
func (s *Server) beginning() uint64 {
	const firstEpoch = 1
	if s.klog.Meta().Epoch != firstEpoch {
		return 0
	}
	return s.seqBefore(0)
}

// incarnation returns the name under which this gateway's sessions stand in the log.
func (s *Server) incarnation() string {
	if id := s.birth.Load(); id != nil {
		return *id
	}
	return ""
}

// followIncarnation reports the incarnation. When it is given up, because another process fenced it or the log did not tell what became of
// an append, its sessions are lost to this gateway: their connections are closed with 4104, and the reaper ends them.
func (s *Server) followIncarnation(ctx context.Context) error {
	for {
		ended := s.sessions.IncarnationEnded()
		id := s.sessions.Incarnation()
		s.birth.Store(&id) // from here on no connection becomes a member under another one
		s.reporter.Begin(id)
		s.ends.forget(id)
		for _, c := range s.connections() {
			if c.birth != id {
				c.shut(event.CloseLogUnavailable, "incarnation ended", event.LeaveGatewayLost)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
		}
		s.metrics.Incarnation.Inc()
		s.log.Warn("incarnation was given up, closing its connections", "incarnation", id)
	}
}

// housekeeping does once a second what is due.
func (s *Server) housekeeping(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			for _, p := range s.hub.all() {
				select {
				case <-p.opened:
					p.tick(now)
				default:
				}
			}
			s.hub.expire(now)
			s.hub.mend()
			s.ends.retry()
			s.pingSilent(ctx, now)
			s.measure()
		}
	}
}

// measure sets the metrics that are not counted where they happen.
func (s *Server) measure() {
	s.metrics.QueuedBytes.Set(float64(s.memory.queued.Load()))
	s.metrics.RingBytes.Set(float64(s.memory.ringBytes.Load()))
	s.metrics.RingDropped.Add(float64(s.memory.dropped.Swap(0)))
	if broken := s.dir.Broken(); broken > 0 {
		s.metrics.Broken.Set(float64(broken))
		s.faults.Error("registers", "registers of rooms cannot be read", "records", broken)
	}
}

// pingSilent pings connections that have been silent for an interval.
func (s *Server) pingSilent(ctx context.Context, now time.Time) {
	due := now.Add(-s.cfg.PingInterval).UnixMilli()
	for _, c := range s.connections() {
		if c.heard.Load() <= due && !c.paused.Load() && c.pinging.CompareAndSwap(false, true) {
			if !s.spawn(func() { c.ping(ctx) }) {
				return
			}
		}
	}
}

// watchDisk refuses new records while the disk of the log is nearly full.
func (s *Server) watchDisk(ctx context.Context) error {
	if s.deps.FreeBytes == nil {
		return nil
	}
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		s.checkDisk()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) checkDisk() {
	free, err := s.deps.FreeBytes()
	if err != nil {
		s.faults.Warn("disk", "free disk is not known", "error", err.Error())
		return
	}
	s.free.Store(free)
	full := free < MinFreeBytes
	if s.full.Swap(full) != full {
		s.log.Warn("free disk crossed the limit", "free_bytes", free, "refusing", full)
	}
}

// spawn starts a goroutine that Run waits for; false when the gateway has stopped.
func (s *Server) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped.Load() {
		return false
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
	return true
}

// enter counts a connection in; false at the limit or while draining. exit counts it out.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.count >= s.cfg.MaxConnections {
		return false
	}
	s.count++
	s.wg.Add(1)
	return true
}

func (s *Server) exit() {
	s.mu.Lock()
	s.count--
	s.mu.Unlock()
	s.wg.Done()
}

func (s *Server) track(c *conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.conns[c] = struct{}{}
	} else {
		delete(s.conns, c)
	}
	s.metrics.Connections.Set(float64(len(s.conns)))
	if open && s.draining {
		c.shut(event.CloseDraining, "draining", event.LeaveDrained)
	}
}

func (s *Server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	return out
}

// append is stream.append for a room that may have no members here. It takes registerWithin at most.
func (s *Server) append(ctx context.Context, room string, f func(context.Context, *partition) (kafkalog.Entry, error)) (kafkalog.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	p, err := s.hub.acquire(ctx, room)
	if err != nil {
		return kafkalog.Entry{}, httpapi.Unavailable(tryAgain, err, "the log is unavailable: not stored")
	}
	defer s.hub.release(p)
	return f(ctx, p)
}
