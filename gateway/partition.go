package gateway

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/service"
)

const (
	tailChunk  = 256             // entries that are shown under one hold of the lock
	tailLinger = 5 * time.Minute // how long a tail goes on after its last room
	roomLinger = time.Minute     // how long a room without connections keeps its ring
)

// partition is one partition that is tailed: its streams and the rooms with local members. Its lock guards all its rooms.
type partition struct {
	s        *Server
	number   int
	chat     *stream
	sessions *stream
	opened   chan struct{}           // closed when both tails are open, or cannot be
	cancel   context.CancelCauseFunc // nil: not needed any more; else it counts as a fault of the tails

	refs      int       // guarded by the hub
	idleSince time.Time // guarded by the hub

	from    int64                      // where the tail of sessions begins
	behind  int64                      // sessions below this offset began under a partition that failed
	orphans map[string]*event.UserLeft // of those, our sessions without an end so far, by session_id; the tail's

	mu       sync.Mutex
	rooms    map[string]*room
	position int64 // chat offset that is shown next
	recent   recent
	err      error // why it has ended
}

// run opens the tails and follows them until ctx ends or one fails for good. Members of a partition that failed are closed with 4104.
func (p *partition) run(ctx context.Context) {
	chat, sessions, err := p.open(ctx)
	opened := err == nil
	if opened {
		close(p.opened)
		p.s.metrics.Tails.Inc()
		defer p.s.metrics.Tails.Dec()
		g, _ := service.NewGroup(ctx)
		g.Go("chat", func(ctx context.Context) error { return p.follow(ctx, p.chat, chat, p.showChat) })
		g.Go("sessions", func(ctx context.Context) error { return p.follow(ctx, p.sessions, sessions, p.showSessions) })
		err = g.Wait()
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if !errors.Is(err, context.Canceled) {
		p.s.metrics.TailFaults.Inc()
		p.s.faults.Error("tail/"+strconv.Itoa(p.number), "partition is not followed any more", "partition", p.number, "error", err.Error())
		if opened {
			p.s.hub.lose(p.number, p.unseen())
		}
	}
	p.fail(err)
}

func (p *partition) open(ctx context.Context) (chat, sessions *kafkalog.Tail, err error) {
	if chat, err = p.openChat(ctx); err != nil {
		return nil, nil, err
	}
	if sessions, err = p.openSessions(ctx); err != nil {
		return nil, nil, err
	}
	for st, tail := range map[*stream]*kafkalog.Tail{p.chat: chat, p.sessions: sessions} {
		st.next = tail.Position()
		st.created.Store(tail.LastCreatedAt())
		r := &resolver{s: p.s, st: st, facts: tail.ResolveAll}
		st.resolve = func(l landing) { r.add(ctx, l) }
	}
	p.position = chat.Position()
	return chat, sessions, nil
}

// openSessions opens the tail of sessions: at the end, or where the tail before this one failed.
func (p *partition) openSessions(ctx context.Context) (*kafkalog.Tail, error) {
	_, end, err := p.s.klog.Offsets(ctx, event.Sessions, p.number)
	if err != nil {
		return nil, err
	}
	from := p.from
	if from == kafkalog.End || from > end { // behind the end: a topic that was made anew has none of our sessions
		from = end
	}
	tail, err := p.s.klog.OpenTail(ctx, event.Sessions, p.number, from)
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		tail, err = p.s.klog.OpenTail(ctx, event.Sessions, p.number, min(gone.To, end))
	}
	if err != nil {
		return nil, err
	}
	p.from, p.behind, p.orphans = from, end, map[string]*event.UserLeft{}
	p.s.hub.follows(p.number)
	return tail, nil
}

// unseen is the first offset of sessions that this partition has not looked at.
func (p *partition) unseen() int64 {
	p.sessions.mu.Lock()
	defer p.sessions.mu.Unlock()
	if p.sessions.next < p.behind {
		return p.from
	}
	return p.sessions.next
}

func (p *partition) follow(ctx context.Context, st *stream, tail *kafkalog.Tail, show func([]kafkalog.Entry)) error {
	for {
		entries, err := tail.Next(ctx)
		if err != nil {
			return err
		}
		st.created.Store(tail.LastCreatedAt())
		for chunk := range slices.Chunk(entries, tailChunk) {
			show(chunk)
			st.observe(chunk)
		}
	}
}

// showChat pushes records to the members of their rooms, in log order; duplicates are not shown.
func (p *partition) showChat(entries []kafkalog.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		p.position = e.Offset + 1
		p.recent.add(e)
		r := p.rooms[string(e.Key)]
		if r == nil || e.Duplicate || e.Event == nil {
			continue
		}
		r.show(e)
	}
}

func (p *partition) showSessions(entries []kafkalog.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if e.Duplicate || e.Event == nil {
			continue
		}
		switch ev := e.Event.(type) {
		case *event.UserJoined:
			p.joined(e, ev)
		case *event.UserLeft:
			p.left(ev)
		}
	}
	if len(entries) > 0 && entries[len(entries)-1].Offset+1 >= p.behind {
		for _, left := range p.orphans {
			p.s.ends.add(p, left, event.LeaveError)
		}
		clear(p.orphans)
	}
}

// fail ends the partition: appends that wait get 121, members 4104.
func (p *partition) fail(err error) {
	p.s.hub.remove(p)
	p.mu.Lock()
	p.err = err
	for _, r := range p.rooms {
		for c := range r.everyone() {
			c.shut(event.CloseLogUnavailable, "log unavailable", event.LeaveError)
		}
		r.ring.end()
	}
	p.recent = recent{floor: math.MaxUint64}
	p.mu.Unlock()
	select {
	case <-p.opened:
	default:
		close(p.opened)
	}
	p.chat.sweep(time.Time{}, true)
	p.sessions.sweep(time.Time{}, true)
}

// room returns the room with one more reference; the lock is held.
func (p *partition) room(id string) *room {
	r := p.rooms[id]
	if r == nil {
		r = newRoom(id, p)
		p.rooms[id] = r
	}
	return r
}

// tick does what rooms do once a second, and forgets rooms that have been empty for a while.
func (p *partition) tick(now time.Time) {
	p.chat.sweep(now, false)
	p.sessions.sweep(now, false)
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, r := range p.rooms {
		r.ring.trim()
		if len(r.members)+len(r.pending) > 0 {
			r.empty = time.Time{}
			r.tick(now)
			continue
		}
		if r.empty.IsZero() {
			r.empty = now
		}
		if now.Sub(r.empty) > roomLinger {
			r.ring.end()
			delete(p.rooms, id)
		}
	}
}
