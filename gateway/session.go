package gateway

import (
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// begin makes the connection wait in its room and appends its user_joined; activate goes on when the tail has read that. It fails if the
// partition has ended.
func (c *conn) begin() error {
	p := c.part
	p.mu.Lock()
	if p.err != nil {
		p.mu.Unlock()
		return p.err
	}
	c.room = p.room(c.member.room)
	c.room.pending[c.session] = c
	p.mu.Unlock()
	joined := &event.UserJoined{
		RoomID: c.member.room, UserID: c.member.user, Nickname: c.member.nickname, SessionID: c.session, Incarnation: c.birth,
	}
	return p.sessions.send(joined, func(_ kafkalog.Facts, err error) {
		if err != nil {
			c.shut(event.CloseLogUnavailable, "log unavailable", event.LeaveError)
		}
	})
}

// joined handles a user_joined that the tail has read; the lock is held. Of two sessions of a user in a room the later one holds.
func (p *partition) joined(e *kafkalog.Entry, ev *event.UserJoined) {
	r := p.rooms[ev.RoomID]
	if ev.Incarnation == p.s.incarnation() && (r == nil || r.pending[ev.SessionID] == nil) {
		// The connection went before its join was seen: nobody else will end this session.
		if left := leftOf(e, ev); e.Offset < p.behind {
			p.orphans[ev.SessionID] = left // unless its end follows
		} else {
			p.s.ends.add(p, left, event.LeaveLeft)
		}
	}
	if r == nil {
		return
	}
	if r.joins = append(r.joins, e.Seq); len(r.joins) > maxJoins {
		r.joins = r.joins[len(r.joins)-maxJoins:]
	}
	r.lastActivity = max(r.lastActivity, e.CreatedAt)
	c := r.pending[ev.SessionID]
	if old := r.members[ev.UserID]; old != nil && old.joined.JoinSeq < e.Seq {
		delete(r.members, ev.UserID)
		old.shut(event.CloseReplaced, "replaced by another connection", event.LeaveReplaced)
	}
	if c != nil {
		delete(r.pending, ev.SessionID)
		r.activate(c, e, ev)
	}
	p.s.reporter.Set(r.id, len(r.members))
	r.announce(event.MsgUserJoined, ev.UserID, ev.Nickname, time.Now())
}

// maxJoins bounds how many joins a room remembers beyond what the register tells.
const maxJoins = 4096

// activate makes a connection a member: it gets its welcome, what it missed, and from here on everything. Whoever was banned, or whose room
// was closed, since the handshake is closed instead; a register that comes later finds the member.
func (r *room) activate(c *conn, e *kafkalog.Entry, ev *event.UserJoined) {
	s := r.part.s
	c.joined = leftOf(e, ev)
	defer close(c.active)
	if c.birth != s.incarnation() {
		c.shut(event.CloseLogUnavailable, "incarnation ended", event.LeaveGatewayLost)
	} else if info, ok := s.dir.Get(r.id); ok && info.Closed {
		c.shut(event.CloseRoomClosed, "room closed", event.LeaveRoomClosed)
	} else if s.dir.Banned(r.id, c.member.user) {
		c.shut(event.CloseBanned, "banned", event.LeaveKicked)
	}
	position := s.seqBefore(r.part.position)
	var missed []shown
	recovered := false
	if c.member.resume {
		if missed, recovered = r.missed(c); recovered {
			position = c.member.since
		}
	}
	c.push(envelope(event.MsgWelcome, nil, event.Welcome{
		UserID: c.member.user, Nickname: c.member.nickname, SessionID: c.session,
		IsMuted: s.dir.Muted(r.id, c.member.user), IsAdmin: c.isAdmin(),
		Seq: position, Recovered: recovered, PingIntervalMS: s.cfg.PingInterval.Milliseconds(),
		Limits: event.WelcomeLimits{
			MaxMessageBytes: s.cfg.MaxMessageBytes, MessagesPerSecond: s.cfg.MessageRate,
			MessageIntervalMS: s.cfg.MessageInterval.Milliseconds(),
		},
	}))
	if !recovered {
		missed = c.fitting(r.ring.newest(c.member.history))
	}
	for _, m := range missed {
		c.push(m.frame)
	}
	r.members[c.member.user] = c
	if c.speech = r.speech[c.member.user]; c.speech == nil {
		c.speech = newSpeech(s.cfg.MessageRate, time.Now())
		r.speech[c.member.user] = c.speech
	}
}

// missed returns what came after the client's position, if all of it is at hand and is not so much that the connection would be closed as
// too slow.
func (r *room) missed(c *conn) ([]shown, bool) {
	if c.member.since > r.part.s.seqBefore(r.part.position) {
		return nil, false
	}
	frames, ok := r.ring.after(c.member.since)
	if !ok {
		frames, ok = r.part.recent.after(r.id, c.member.since)
	}
	return frames, ok && len(c.fitting(frames)) == len(frames)
}

// fitting returns the newest of frames, at most half of what may wait for a connection.
func (c *conn) fitting(frames []shown) []shown {
	left := c.s.memory.queueLimit(c.s.cfg.QueueBytes) / 2
	i := len(frames)
	for ; i > 0; i-- {
		if left -= len(frames[i-1].frame); left < 0 {
			break
		}
	}
	return frames[i:]
}

// left handles a user_left that the tail has read; the lock is held.
func (p *partition) left(ev *event.UserLeft) {
	p.s.ends.seen(ev.SessionID)
	delete(p.orphans, ev.SessionID)
	r := p.rooms[ev.RoomID]
	if r == nil {
		return
	}
	if c := r.members[ev.UserID]; c != nil && c.session == ev.SessionID {
		// The reaper ended a session that still has its connection: this gateway was thought dead.
		c.shut(event.CloseLogUnavailable, "session lost", event.LeaveGatewayLost)
	}
	if ev.Reason != event.LeaveReplaced {
		r.announce(event.MsgUserLeft, ev.UserID, ev.Nickname, time.Now())
	}
}

// leftOf begins the end of a session, all but its reason.
func leftOf(e *kafkalog.Entry, ev *event.UserJoined) *event.UserLeft {
	return &event.UserLeft{
		RoomID: ev.RoomID, UserID: ev.UserID, Nickname: ev.Nickname, SessionID: ev.SessionID, Incarnation: ev.Incarnation,
		JoinTimeMS: e.CreatedAt, JoinSeq: e.Seq,
	}
}

// finish ends a connection whose reader and writer have ended: it leaves the room, and its session ends in the log.
func (c *conn) finish() {
	c.mu.Lock()
	reason := c.reason
	c.mu.Unlock()
	p := c.part
	p.mu.Lock()
	if c.room != nil {
		c.room.leave(c)
	}
	joined := c.joined
	p.mu.Unlock()
	if joined != nil && reason != event.LeaveGatewayLost {
		c.s.ends.add(p, joined, reason)
	}
	c.s.metrics.Closed.WithLabelValues(string(reason)).Inc()
	c.s.hub.release(p)
}
