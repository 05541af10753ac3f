package load

import (
	"container/list"
	"hash/maphash"
	"sync"

	"splitsync/client/go"
	"splitsync/event"
)

// recentViews is how many messages of a room are remembered so that its other members need not decode them again.
const recentViews = 1024

// room is one room of the run and everything that the ledger needs of it.
type room struct {
	id    string
	slots chan struct{} // one element for each open connection

	// Only for the dispatcher.
	members map[string]*member // by user: those that take lines
	silent  *list.List         // of *member, the one silent longest in front
	left    map[string]*member // by user: the last one that was told to leave
	newest  chan struct{}      // placed of the member that came last

	mu      sync.Mutex
	users   map[string]int32
	acked   []mark // in the order of the answers
	already []mark // resumed: stored before this run
	retried map[int32]bool
	refused int
	unknown []int // lines whose fate no answer tells
	top     uint64
	spans   []span
	lost    int // broken links of the prev_seq chain, as a member saw them
	twice   int // seqs that did not go up, as a member saw them
	foreign int // messages that are none of ours, as a member saw them
	recent  [recentViews]view
}

// view is a message as it was decoded for the first member that saw it.
type view struct {
	raw  uint64
	mark mark
}

// span is what one member saw from one welcome to the end of it: count messages with seqs in (from, to], and the sum of their hashes.
type span struct {
	session  string
	from, to uint64
	count    int
	sum      uint64
}

func newRoom(id string, members int) *room {
	return &room{
		id: id, slots: make(chan struct{}, members), members: map[string]*member{}, silent: list.New(), left: map[string]*member{},
		users: map[string]int32{}, retried: map[int32]bool{},
	}
}

// user is the short form of a user; the lock is held.
func (r *room) user(name string) int32 {
	n, ok := r.users[name]
	if !ok {
		n = int32(len(r.users))
		r.users[name] = n
	}
	return n
}

// ack takes the acknowledgement of a line.
func (r *room) ack(user string, content uint64, n int, a client.Ack, again bool) {
	m := newMark(content, n, a.Seq, a.MessageID, a.CreatedAtMS)
	r.mu.Lock()
	defer r.mu.Unlock()
	m.user = r.user(user)
	r.acked = append(r.acked, m)
	r.top = max(r.top, a.Seq)
	if again {
		r.retried[m.line] = true
	}
}

// look tells the mark of a message that a member sees; ok is false if it cannot be decoded.
func (r *room) look(seed maphash.Seed, ev client.Event) (m mark, ok bool) {
	raw := maphash.Bytes(seed, ev.Payload)
	slot := &r.recent[ev.Seq%recentViews]
	r.mu.Lock()
	if slot.raw == raw && slot.mark.seq == ev.Seq {
		m = slot.mark
		r.mu.Unlock()
		return m, true
	}
	r.mu.Unlock()
	msg, err := ev.Message()
	if err != nil {
		return m, false
	}
	m = newMark(contentHash(msg.From, msg.Content, msg.ClientTS), lineOf(msg.ClientMsgID), msg.Seq, msg.MessageID, msg.CreatedAtMS)
	r.mu.Lock()
	defer r.mu.Unlock()
	*slot = view{raw, m}
	return m, true
}

// viewer follows what one member sees. It is used by the reader of its connection, and by others only after that has ended.
type viewer struct {
	room    *room
	seed    maphash.Seed
	now     span
	greeted bool
}

// welcome begins a span, unless the connection goes on where the last one ended.
func (v *viewer) welcome(w event.Welcome) {
	if v.greeted && w.Recovered {
		v.keep(span{session: w.SessionID, from: v.now.to, to: v.now.to})
		return
	}
	v.keep(span{session: w.SessionID, from: w.Seq, to: w.Seq})
}

// keep files the span that ends and begins the next.
func (v *viewer) keep(next span) {
	if v.greeted {
		v.room.mu.Lock()
		v.room.spans = append(v.room.spans, v.now)
		v.room.mu.Unlock()
	}
	v.greeted = true
	v.now = next
}

// see takes a message. prev_seq names the one before it, 0 where the gateway knows none.
func (v *viewer) see(ev client.Event) {
	r := v.room
	m, ok := r.look(v.seed, ev)
	if !ok || m.line == 0 {
		r.mu.Lock()
		r.foreign++
		r.mu.Unlock()
	}
	if ev.Seq <= v.now.to || ev.PrevSeq > v.now.to {
		r.mu.Lock()
		if ev.Seq <= v.now.to {
			r.twice++
		} else {
			r.lost++
		}
		r.mu.Unlock()
	}
	v.now.to = max(v.now.to, ev.Seq)
	v.now.count++
	v.now.sum += m.hash
}
