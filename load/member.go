package load

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"splitsync/client/go"
	"splitsync/event"
)

const (
	leaveTime = 30 * time.Second // for the answers that are still missing, and the goodbye
	tailEvery = 10 * time.Millisecond
)

// member is a user of a room: one connection, over which its lines go in order.
type member struct {
	p      *play
	room   *room
	user   string
	elem   *list.Element   // of room.silent
	before <-chan struct{} // closed when the member that came before has its place; nil for the first
	placed chan struct{}   // closed when this one has
	after  <-chan struct{} // closed when the user's last connection has ended; nil for none
	lines  chan line
	done   chan struct{} // closed when the connection has ended and all lines have a fate

	conn  *client.Conn
	view  viewer
	limit *rate.Limiter // nil: the server does not limit

	wake chan struct{} // one element when a line waits in again
	mu   sync.Mutex
	open int // lines without a fate
	top  uint64
	back []sending // refused for now
}

// run joins, sends what comes and leaves.
func (m *member) run(ctx context.Context) {
	defer close(m.done)
	// Places are given in the order in which the members came: one that has to leave never waits behind one that stays.
	if m.before != nil {
		<-m.before
	}
	m.room.slots <- struct{}{}
	defer func() { <-m.room.slots }()
	close(m.placed)
	if m.after != nil {
		<-m.after
	}
	err := m.join(ctx)
	if err == nil {
		m.p.open.Add(1)
		defer m.p.open.Add(-1)
		m.work(ctx)
		m.leave(ctx)
		err = m.conn.Err()
	}
	for l := range m.lines { // nothing can be sent any more
		if ctx.Err() != nil {
			m.drop()
			continue
		}
		m.p.sent.Add(1)
		m.refuse(l.n, err)
	}
}

func (m *member) join(ctx context.Context) error {
	m.view = viewer{room: m.room, seed: m.p.seed}
	conn, err := m.p.dialer.Dial(ctx, client.Options{
		URL: m.p.cfg.URL, Room: m.room.id, User: m.user, Acks: true, Window: 1024,
		BackoffMin: 50 * time.Millisecond, BackoffMax: 2 * time.Second, OnEvent: m.event,
	})
	if err != nil {
		return err
	}
	m.conn = conn
	if per := conn.Welcome().Limits.MessagesPerSecond; per > 0 {
		m.limit = rate.NewLimiter(rate.Limit(per*0.95), max(1, int(per/2)))
	}
	return nil
}

// event takes what the server sends, on the reader of the connection.
func (m *member) event(ev client.Event) {
	switch ev.Type {
	case event.MsgMessage:
		m.view.see(ev)
		m.p.seen.Add(1)
	case event.MsgWelcome:
		var w event.Welcome
		if ev.Decode(&w) == nil {
			m.view.welcome(w)
		}
	case event.MsgSystem, event.MsgCustomEvent:
		m.room.mu.Lock()
		m.room.foreign++
		m.room.mu.Unlock()
	}
}

// work sends until there are no more lines and none waits for an answer, or the connection has ended for good.
func (m *member) work(ctx context.Context) {
	for lines := m.lines; ; {
		if !m.resend(ctx) {
			return
		}
		if lines == nil && m.idle() {
			return
		}
		select {
		case l, ok := <-lines:
			if !ok {
				lines = nil
				continue
			}
			if ctx.Err() != nil {
				m.drop()
				continue
			}
			m.p.sent.Add(1)
			m.send(ctx, sending{line: l, content: contentHash(m.user, l.Text, l.TS), first: time.Now()})
		case <-m.wake:
		case <-m.conn.Done():
			return
		case <-m.p.cut.Done():
			return
		}
	}
}

func (m *member) idle() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open == 0 && len(m.back) == 0
}

// send sends a line without waiting for its answer.
func (m *member) send(ctx context.Context, s sending) {
	if m.limit != nil && m.limit.Wait(ctx) != nil {
		m.refuse(s.n, context.Canceled)
		return
	}
	m.mu.Lock()
	m.open++
	m.mu.Unlock()
	msg := client.Message{Content: s.Text, ClientMsgID: messageID(s.n), ClientTS: s.TS}
	err := m.conn.SendAsync(m.p.cut, msg, func(a client.Ack, err error) { m.answered(s, a, err) })
	if err != nil {
		m.answered(s, client.Ack{}, err)
	}
}

// leave waits until the member has seen its own last message, and at the end of the run the room's last one, and closes the connection.
func (m *member) leave(ctx context.Context) {
	until := time.Now().Add(m.p.cfg.Settle)
	for ctx.Err() == nil && time.Now().Before(until) && !m.complete() {
		select {
		case <-m.conn.Done():
			until = time.Time{}
		case <-time.After(tailEvery):
		}
	}
	bound, cancel := context.WithTimeout(m.p.cut, leaveTime)
	defer cancel()
	_ = m.conn.Close(bound) // what has no answer gets an error
	<-m.conn.Done()
	m.giveUp()
	m.view.keep(span{})
}

// complete tells whether the member has seen what it must see before it goes.
func (m *member) complete() bool {
	m.mu.Lock()
	top := m.top
	m.mu.Unlock()
	if m.p.ending.Load() {
		m.room.mu.Lock()
		top = max(top, m.room.top)
		m.room.mu.Unlock()
	}
	return m.conn.Position() >= top
}

// sleep waits; it reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
