package load

import (
	"context"
	"errors"
	"slices"
	"time"

	"splitsync/client/go"
	"splitsync/event"
)

const (
	retryFor     = 90 * time.Second       // how long after its first sending an unanswered line may be sent again: below the dedupe window of 120 s
	retryPause   = 250 * time.Millisecond // before a refused line is sent again, when the server names no time
	longestPause = 10 * time.Second
)

// sending is a line on its way.
type sending struct {
	line
	content uint64
	first   time.Time
	again   bool
	due     time.Time // not to be sent again before
}

// answered decides what becomes of a line: it has its place, it is refused, or it is sent again.
func (m *member) answered(s sending, a client.Ack, err error) {
	var e *client.Error
	again := false
	switch {
	case err == nil:
		m.room.ack(m.user, s.content, s.n, a, s.again)
		m.p.acked.Add(1)
		if m.p.cfg.Acked != nil {
			m.p.cfg.Acked(m.room.id, s.n, a.Seq)
		}
		<-m.p.window
	case errors.As(err, &e) && e.Retryable && m.p.cut.Err() == nil && (e.Code != event.CodeOutcomeUnknown || time.Since(s.first) < retryFor):
		again = true
	default:
		m.refuse(s.n, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	m.top = max(m.top, a.Seq)
	if again {
		s.again, s.due = true, time.Now().Add(min(max(e.RetryAfter, retryPause), longestPause))
		m.back = append(m.back, s)
		slices.SortFunc(m.back, func(a, b sending) int { return a.n - b.n })
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// resend sends what was refused for now, after the answers to everything else, one line at a time, in order. It reports false when the
// connection has ended for good.
func (m *member) resend(ctx context.Context) bool {
	for {
		m.mu.Lock()
		waits, open := len(m.back) > 0, m.open > 0
		var s sending
		if waits && !open {
			s, m.back = m.back[0], m.back[1:]
		}
		m.mu.Unlock()
		switch {
		case !waits:
			return true
		case open:
			select {
			case <-m.wake:
			case <-m.conn.Done():
				return m.giveUp()
			case <-m.p.cut.Done():
				return m.giveUp()
			}
		case !sleep(ctx, time.Until(s.due)):
			m.refuse(s.n, ctx.Err())
		default:
			m.p.retries.Add(1)
			m.send(ctx, s)
		}
	}
}

// giveUp refuses what waits to be sent again.
func (m *member) giveUp() bool {
	m.mu.Lock()
	back := m.back
	m.back = nil
	m.mu.Unlock()
	for _, s := range back {
		m.refuse(s.n, m.conn.Err())
	}
	return false
}

// drop forgets a line that was not sent because the run is being interrupted.
func (m *member) drop() { <-m.p.window }

// refuse files a line that will not be sent again. Where the answer is missing its fate is unknown.
func (m *member) refuse(n int, err error) {
	code := event.CodeLogUnavailable
	var e *client.Error
	if errors.As(err, &e) && e.Code != 0 {
		code = e.Code
	}
	m.p.refuse(m.room, n, code)
	<-m.p.window
}
