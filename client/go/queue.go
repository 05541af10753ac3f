package client

import "time"

// command is one envelope to the server.
type command struct {
	id      uint64
	data    []byte             // the whole envelope
	msgID   string             // client_msg_id; empty: must not be sent a second time
	done    func(reply, error) // called once; nil: no reply is expected
	written bool               // on the present connection
	first   time.Time          // when it was written the first time
	last    time.Time          // when it was written last
}

// reply is the answer to a command; payload is only valid during done.
type reply struct {
	kind    string
	payload []byte
}

// queue holds the unanswered commands in order. Ids are consecutive, so that the answer to id is at id − base.
type queue struct {
	base  uint64     // id of items[0]
	items []*command // nil: answered
	next  int        // the first one that is not yet written on the present connection
}

func (q *queue) add(c *command) {
	c.id = q.base + uint64(len(q.items))
	q.items = append(q.items, c)
}

// nextID is the id of the command that add will take.
func (q *queue) nextID() uint64 { return q.base + uint64(len(q.items)) }

func (q *queue) empty() bool { return len(q.items) == 0 }

func (q *queue) unwritten() bool { return q.next < len(q.items) }

// head is the oldest unanswered command, or nil.
func (q *queue) head() *command {
	if len(q.items) == 0 {
		return nil
	}
	return q.items[0]
}

// settle takes out the command of id. freed is the number of places in the window that became free.
func (q *queue) settle(id uint64) (c *command, freed int) {
	i := id - q.base
	if id < q.base || i >= uint64(len(q.items)) || q.items[i] == nil {
		return nil, 0
	}
	c, q.items[i] = q.items[i], nil
	return c, q.trim()
}

// trim forgets the answered commands at the front.
func (q *queue) trim() int {
	n := 0
	for n < len(q.items) && q.items[n] == nil {
		n++
	}
	q.base += uint64(n)
	q.items = q.items[n:]
	q.next = max(q.next-n, 0)
	if len(q.items) == 0 && cap(q.items) < 64 {
		q.items = nil
	}
	return n
}

// take appends commands that are not yet written to buf, up to limit bytes but at least one, and only one unless many. Commands that expect no
// reply are done with it; freed counts the places they free.
func (q *queue) take(buf []byte, limit int, many bool, now time.Time) (_ []byte, freed int) {
	start := len(buf)
	for q.next < len(q.items) {
		c := q.items[q.next]
		if c == nil {
			q.next++
			continue
		}
		if len(buf) > start {
			if !many || len(buf)+1+len(c.data) > limit {
				break
			}
			buf = append(buf, '\n')
		}
		buf = append(buf, c.data...)
		q.next++
		c.written, c.last = true, now
		if c.first.IsZero() {
			c.first = now
		}
		if c.done == nil {
			q.items[q.next-1] = nil
		}
	}
	return buf, q.trim()
}

// rewind prepares the queue for a new connection: what may be sent again will be; the rest, and what is too old for the server's dedupe window,
// is taken out and returned.
func (q *queue) rewind(now time.Time) (lost []*command, freed int) {
	for i, c := range q.items {
		switch {
		case c == nil || c.first.IsZero():
		case c.msgID == "" || now.Sub(c.first) > retryWindow:
			lost = append(lost, c)
			q.items[i] = nil
		default:
			c.written = false
		}
	}
	q.next = 0
	return lost, q.trim()
}

// drain takes everything out.
func (q *queue) drain() (all []*command, freed int) {
	for i, c := range q.items {
		if c != nil {
			all = append(all, c)
			q.items[i] = nil
		}
	}
	return all, q.trim()
}
