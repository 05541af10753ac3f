package gateway

import (
	"time"

	"splitsync/event"
)

// noticeEvery bounds how often the members of a room hear of joins and leaves.
const noticeEvery = time.Second

// notice coalesces joins and leaves of a room: the newest is told, at most once a second, with the figures that hold for all.
type notice struct {
	at     time.Time // of the last notice
	queued []byte    // the newest that was not told
	told   event.RoomStats
}

// announce tells the members of a join or leave, now or with the next tick.
func (r *room) announce(typ, user, nickname string, now time.Time) {
	r.queued = envelope(typ, nil, event.Member{UserID: user, Nickname: nickname})
	r.flushNotice(now)
}

// flushNotice sends what waits, if its time has come, and the figures when they changed.
func (r *room) flushNotice(now time.Time) {
	if now.Sub(r.at) < noticeEvery {
		return
	}
	frame := r.queued
	stats := r.stats()
	if frame == nil && stats == r.told {
		return
	}
	r.at, r.queued, r.told = now, nil, stats
	if frame != nil {
		r.tell(frame, nil)
	}
	r.tell(envelope(event.MsgRoomStats, nil, stats), nil)
}

// tick is called once a second for every room with connections.
func (r *room) tick(now time.Time) {
	r.flushNotice(now)
	for user, sp := range r.speech {
		if r.members[user] == nil && sp.idle(now, r.part.s.cfg.MessageInterval) {
			delete(r.speech, user)
		}
	}
}
