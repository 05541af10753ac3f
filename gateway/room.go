package gateway

import (
	"iter"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// room is a room with local members. Its partition's lock guards it.
type room struct {
	id      string
	part    *partition
	members map[string]*conn // by user_id: joined, shown everything
	pending map[string]*conn // by session_id: their user_joined is not read back yet
	last    uint64           // seq of the last record shown; 0 = none known
	ring    ring

	empty        time.Time          // since when nobody is here
	speech       map[string]*speech // by user_id, also after a reconnect
	joins        []uint64           // seqs of the joins that the tail saw, oldest first
	peak         int64              // greatest count shown
	lastActivity int64              // created_at of the last record, Unix ms
	notice
}

func newRoom(id string, p *partition) *room {
	r := &room{
		id: id, part: p, members: map[string]*conn{}, pending: map[string]*conn{},
		speech: map[string]*speech{},
	}
	p.recent.seed(r)
	return r
}

// everyone iterates over all connections, those that wait for their join too.
func (r *room) everyone() iter.Seq[*conn] {
	return func(yield func(*conn) bool) {
		for _, c := range r.pending {
			if !yield(c) {
				return
			}
		}
		for _, c := range r.members {
			if !yield(c) {
				return
			}
		}
	}
}

// show pushes a record of the chat log to every member. It is encoded once.
func (r *room) show(e *kafkalog.Entry) {
	frame, ok := encodeEntry(e, r.last)
	if !ok {
		return
	}
	r.last, r.lastActivity = e.Seq, e.CreatedAt
	r.ring.add(e.Seq, frame)
	for _, c := range r.members {
		c.push(frame)
	}
	r.part.s.metrics.Delivered.Add(float64(len(r.members)))
}

// encodeEntry makes the envelope that members see; ok is false for records that members do not see.
func encodeEntry(e *kafkalog.Entry, prev uint64) (frame []byte, ok bool) {
	place := event.Place{
		Seq: e.Seq, PrevSeq: prev, MessageID: e.MessageID.String(),
		CreatedAt: event.Seconds(e.CreatedAt), CreatedAtMS: e.CreatedAt,
	}
	switch ev := e.Event.(type) {
	case *event.Message:
		return envelope(event.MsgMessage, nil, event.ChatMessage{
			From: ev.UserID, Nickname: ev.Nickname, Content: ev.Content, IsAdmin: ev.IsAdmin,
			ClientMsgID: ev.ClientMsgID, ClientTS: ev.ClientTS, Place: place,
		}), true
	case *event.SystemMessage:
		return envelope(event.MsgSystem, nil, event.ChatSystem{Message: ev.Content, Place: place}), true
	case *event.CustomEvent:
		return envelope(event.MsgCustomEvent, nil, event.ChatCustomEvent{EventType: ev.EventType, Payload: ev.Payload, Place: place}), true
	}
	return nil, false
}

// tell pushes an envelope without seq to every member but except (nil: to all).
func (r *room) tell(frame []byte, except *conn) {
	for _, c := range r.members {
		if c != except {
			c.push(frame)
		}
	}
}

// leave removes a connection that has ended.
func (r *room) leave(c *conn) {
	delete(r.pending, c.session)
	if r.members[c.member.user] == c {
		delete(r.members, c.member.user)
		r.part.s.reporter.Set(r.id, len(r.members))
	}
}

// stats returns the people of the room over all gateways.
func (r *room) stats() event.RoomStats {
	s := r.part.s
	now := s.presenceOf.Count(r.id, s.incarnation()) + int64(len(r.members))
	if reg, ok := s.dir.Get(r.id); ok {
		r.peak = max(r.peak, reg.Stats.PeakUsers)
	}
	r.peak = max(r.peak, now)
	return event.RoomStats{CurrentUsers: now, PeakUsers: r.peak}
}
