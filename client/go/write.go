package client

import (
	"context"
	"time"

	"github.com/coder/websocket"
)

// maxFrame bounds a frame of several envelopes; a single envelope may be longer.
const maxFrame = 32 << 10

// kick starts a writer if there is something to write and none is running, with mu held. The writer ends when nothing is left, so that a quiet
// connection has no goroutine for it.
func (c *Conn) kick() {
	if l := c.link; l != nil && !l.writing && c.queue.unwritten() {
		l.writing, l.since = true, time.Now()
		c.writers.Add(1)
		go c.write(l)
	}
}

// write sends what is queued, many envelopes a frame where the protocol allows it. After an error the connection is cut and the reader goes on
// from there.
func (c *Conn) write(l *link) {
	defer c.writers.Done()
	buf := c.d.buffer()
	defer c.d.release(buf)
	ctx := context.WithoutCancel(c.ctx) // the socket is cut instead: a context would cost a timer a frame
	for c.fill(l, buf) {
		if err := l.ws.Write(ctx, websocket.MessageText, *buf); err != nil {
			l.sock.close()
			return // writing stays true: nobody writes on this connection again
		}
	}
}

// fill takes the next frame. It reports false when there is none, and the writer has to end.
func (c *Conn) fill(l *link, buf *[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	freed := 0
	if c.link == l {
		*buf, freed = c.queue.take((*buf)[:0], maxFrame, c.o.Acks, time.Now())
		c.free(freed)
	}
	if c.link != l || len(*buf) == 0 {
		l.writing = false
		return false
	}
	l.since = time.Now()
	return true
}

// free gives back places of the window, with mu held, and tells Close when nothing is left.
func (c *Conn) free(n int) {
	for range n {
		<-c.slots
	}
	if c.drained != nil && c.queue.empty() {
		close(c.drained)
		c.drained = nil
	}
}
