package gateway

import (
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// ends holds the ends of sessions until they are in the log, so that an outage of the log loses none. It is bounded by the sessions that
// this gateway began; those of an incarnation that was given up are left to the reaper.
type ends struct {
	s    *Server
	mu   sync.Mutex
	open map[string]*sessionEnd // by session_id
}

// sessionEnd is the end of one session that is not known to be in the log.
type sessionEnd struct {
	left    *event.UserLeft
	part    *partition
	sending bool
}

// add appends the end of a session now, and again until the log has it.
func (x *ends) add(p *partition, left *event.UserLeft, reason event.LeaveReason) {
	if left.Incarnation != x.s.incarnation() {
		return
	}
	own := *left
	own.Reason = reason
	e := &sessionEnd{left: &own, part: p}
	x.mu.Lock()
	if x.open[left.SessionID] != nil {
		x.mu.Unlock()
		return
	}
	x.open[left.SessionID] = e
	x.s.metrics.OpenEnds.Set(float64(len(x.open)))
	x.mu.Unlock()
	x.send(e)
}

// send appends one end. Written twice it counts once: its dedupe key is the session.
func (x *ends) send(e *sessionEnd) {
	x.mu.Lock()
	if e.sending {
		x.mu.Unlock()
		return
	}
	e.sending = true
	x.mu.Unlock()
	done := func(_ int64, err error) {
		if err == nil {
			x.seen(e.left.SessionID)
			return
		}
		x.mu.Lock()
		e.sending = false
		x.mu.Unlock()
	}
	st := e.part.sessions
	out, err := kafkalog.Encode(e.left, max(time.Now().UnixMilli(), st.created.Load()))
	if err == nil {
		err = st.producer.Send(st.number, out, done)
	}
	if err != nil {
		done(0, err)
	}
}

// seen forgets an end that is in the log.
func (x *ends) seen(session string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, session)
	x.s.metrics.OpenEnds.Set(float64(len(x.open)))
}

// retry appends again what was refused.
func (x *ends) retry() {
	x.mu.Lock()
	var again []*sessionEnd
	for _, e := range x.open {
		if !e.sending {
			again = append(again, e)
		}
	}
	x.mu.Unlock()
	for _, e := range again {
		x.send(e)
	}
}

// forget drops the ends of all incarnations but the one named: the reaper ends those sessions.
func (x *ends) forget(but string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, e := range x.open {
		if e.left.Incarnation != but {
			delete(x.open, id)
		}
	}
	x.s.metrics.OpenEnds.Set(float64(len(x.open)))
}

// count returns how many ends are not known to be in the log.
func (x *ends) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.open)
}
