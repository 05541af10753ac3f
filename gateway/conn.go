package gateway

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

const (
	writeTimeout = 10 * time.Second // one flush
	frameBytes   = 64 << 10         // envelopes are joined up to here
)

// conn is one WebSocket connection: one goroutine reads, one writes what queues. It is one session of one user in one room.
type conn struct {
	s       *Server
	part    *partition
	ws      *websocket.Conn
	cancel  context.CancelFunc // cuts the connection
	v1      bool
	member  member
	session string
	birth   string // the incarnation that the session carries

	// The partition's lock guards these until active is closed.
	room   *room
	joined *event.UserLeft // the session's end as far as it is known; nil until its join was read back
	speech *speech
	active chan struct{} // closed when the join was read back

	heard   atomic.Int64 // when something was read last, Unix ms
	paused  atomic.Bool  // the reader waits for the log: silence is ours
	pinging atomic.Bool
	abuse   *bucket // the reader's
	typing  *bucket // the reader's

	wake    chan struct{} // has room for one
	written chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	closing bool
	code    event.CloseCode // 0: the client has gone
	text    string
	reason  event.LeaveReason
}

// push queues a frame; it never blocks. A connection whose queue is full is closed with 4101; one frame always fits.
func (c *conn) push(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return
	}
	if c.bytes > 0 && c.bytes+len(frame) > c.s.memory.queueLimit(c.s.cfg.QueueBytes) {
		c.dropQueue()
		c.shutLocked(event.CloseSlow, "too slow", event.LeaveSlow)
		return
	}
	c.queue = append(c.queue, frame)
	c.bytes += len(frame)
	c.s.memory.queued.Add(int64(len(frame)))
	c.signal()
}

// dropQueue forgets what is queued; the lock is held.
func (c *conn) dropQueue() {
	c.s.memory.queued.Add(int64(-c.bytes))
	c.queue, c.bytes = nil, 0
}

// reply pushes the one answer to a command.
func (c *conn) reply(typ string, id json.RawMessage, payload any) {
	c.push(envelope(typ, id, payload))
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// shut makes the writer send what is queued, close with the code (0: the client has gone) and end the connection. The first call holds.
func (c *conn) shut(code event.CloseCode, text string, reason event.LeaveReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shutLocked(code, text, reason)
}

func (c *conn) shutLocked(code event.CloseCode, text string, reason event.LeaveReason) {
	if c.closing {
		return
	}
	c.closing, c.code, c.text, c.reason = true, code, text, reason
	c.signal()
}

// take moves what is queued, up to one coalesced frame, into the writer's own slice, and tells whether the connection closes behind it.
func (c *conn) take(into [][]byte) (frames [][]byte, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, size := 0, 0
	for n < len(c.queue) && (n == 0 || size+len(c.queue[n])+1 <= frameBytes) {
		size += len(c.queue[n])
		n++
	}
	into = append(into[:0], c.queue[:n]...)
	clear(c.queue[:n])
	c.bytes -= size
	c.s.memory.queued.Add(int64(-size))
	if c.queue = c.queue[n:]; len(c.queue) == 0 {
		c.queue = nil
	}
	return into, c.closing
}

// write sends what queues until the connection is shut, and closes it.
func (c *conn) write(ctx context.Context) {
	defer close(c.written)
	watchdog := time.AfterFunc(time.Hour, func() {
		c.shut(event.CloseSlow, "too slow", event.LeaveSlow)
		c.cancel()
		_ = c.ws.CloseNow() // else a writer whose reader has ended would wait for ever
	})
	watchdog.Stop()
	var frames [][]byte
	var buf []byte
	for {
		var closing bool
		frames, closing = c.take(frames)
		if len(frames) == 0 {
			if closing {
				break
			}
			frames, buf = nil, nil // an idle connection keeps no buffers
			<-c.wake
			continue
		}
		watchdog.Reset(writeTimeout)
		err := c.flush(ctx, frames, &buf)
		watchdog.Stop()
		if err != nil {
			c.shut(0, "", event.LeaveLeft)
			break
		}
	}
	c.mu.Lock()
	c.dropQueue()
	code, text := c.code, c.text
	c.mu.Unlock()
	if code == 0 {
		_ = c.ws.CloseNow()
		return
	}
	_ = c.ws.Close(websocket.StatusCode(code), text)
}

// flush writes frames: one by one for plain clients, joined by newlines in splitsync.v1.
func (c *conn) flush(ctx context.Context, frames [][]byte, buf *[]byte) error {
	if c.v1 && len(frames) > 1 {
		*buf = append((*buf)[:0], frames[0]...)
		for _, f := range frames[1:] {
			*buf = append(append(*buf, '\n'), f...)
		}
		return c.writeFrame(ctx, *buf)
	}
	for _, f := range frames {
		if err := c.writeFrame(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) writeFrame(ctx context.Context, frame []byte) error {
	if err := c.ws.Write(ctx, websocket.MessageText, frame); err != nil {
		return err
	}
	c.s.metrics.Frames.Inc()
	c.s.metrics.SentBytes.Add(float64(len(frame)))
	return nil
}

// ping asks a silent client for a sign of life, and closes it with 4203 if none comes within the interval.
func (c *conn) ping(ctx context.Context) {
	defer c.pinging.Store(false)
	asked := time.Now().UnixMilli()
	wait, cancel := context.WithTimeout(ctx, c.s.cfg.PingInterval)
	defer cancel()
	err := c.ws.Ping(wait)
	if err == nil {
		c.heard.Store(time.Now().UnixMilli())
		return
	}
	if !c.paused.Load() && c.heard.Load() < asked {
		c.shut(event.CloseNoPong, "no pong", event.LeaveTimeout)
	}
}
