package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

// Conn is a member of a room. It outlives its network connections. Its methods are safe for concurrent use.
type Conn struct {
	o      Options
	d      *Dialer
	base   *url.URL
	prefix string // of the client_msg_ids made here

	ctx    context.Context // ends with Close or the last error
	cancel context.CancelFunc
	ready  chan struct{} // closed at the first WelcomeInfo
	done   chan struct{} // closed when the reader has ended
	slots  chan struct{} // one element for each taken place of the window

	heard atomic.Int64 // Unix nanoseconds of the last frame or ping

	mu       sync.Mutex
	link     *link // nil while there is no welcomed connection
	queue    queue
	writers  sync.WaitGroup
	closing  bool          // no more commands
	leaving  bool          // no more connections
	drained  chan struct{} // closed when the queue is empty, if someone waits
	err      error         // the last one
	welcome  event.Welcome
	welcomed bool
	position uint64
	msgs     uint64
}

// link is one network connection.
type link struct {
	ws      *websocket.Conn
	sock    *socket
	writing bool
	since   time.Time // begin of the write under way
}

// Dial connects with a Dialer of its own. See Dialer.Dial.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	return NewDialer(DialerOptions{}).Dial(ctx, o)
}

// Dial joins the room and returns after WelcomeInfo. A server that cannot be reached or asks to wait (503 with Retry-After) is tried again
// until ctx ends; a refusal (an *Error that is not Retryable) is returned at once. The connection lives on after ctx; end it with Close.
func (d *Dialer) Dial(ctx context.Context, o Options) (*Conn, error) {
	o = o.withDefaults()
	base, err := o.address()
	if err != nil {
		return nil, err
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	c := &Conn{
		o: o, d: d, base: base, prefix: hex.EncodeToString(random[:]) + "-",
		ready: make(chan struct{}), done: make(chan struct{}), slots: make(chan struct{}, o.Window),
		position: o.Since,
	}
	c.queue.base = 1
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go c.run()
	select {
	case <-c.ready:
		return c, nil
	case <-c.done:
		return nil, c.Err()
	case <-ctx.Done():
	}
	c.cancel()
	<-c.done
	if last := c.Err(); last != nil && !errors.Is(last, ErrClosed) {
		return nil, fmt.Errorf("client: join %s: %w: %w", o.Room, ctx.Err(), last)
	}
	return nil, fmt.Errorf("client: join %s: %w", o.Room, ctx.Err())
}

// Welcome is the newest WelcomeInfo.
func (c *Conn) Welcome() event.Welcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome
}

// Position is the seq up to which everything of the room was seen; a later Dial with it as Since continues there.
func (c *Conn) Position() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// Done is closed when the connection has ended for good: by Close, by a close code of 4000 to 4099, or with NoReconnect.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended for good; before that, why the last network connection ended, or nil.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end is the error of commands that come too late, with mu held.
func (c *Conn) end() error {
	if c.ctx.Err() != nil && c.err != nil {
		return c.err
	}
	return ErrClosed
}

// Close takes no more commands, waits until those under way are answered, leaves the room and returns when nothing is running. When ctx ends
// first, the connection is cut, unanswered commands get ErrClosed inside an *Error of code 121 (120 if never sent), and ctx's error is returned.
func (c *Conn) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	var drained chan struct{}
	if !c.queue.empty() {
		if c.drained == nil {
			c.drained = make(chan struct{})
		}
		drained = c.drained
	}
	c.mu.Unlock()
	if drained != nil {
		select {
		case <-drained:
		case <-c.done:
		case <-ctx.Done():
		}
	}
	c.leave(ctx)
	c.cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// leave says goodbye to the server, if it is there.
func (c *Conn) leave(ctx context.Context) {
	c.mu.Lock()
	l := c.link
	c.leaving = true
	c.mu.Unlock()
	if l == nil {
		return
	}
	stop := context.AfterFunc(ctx, l.sock.close)
	defer stop()
	_ = l.ws.Close(websocket.StatusNormalClosure, "")
}

// check is called once a second: it cuts a connection that does not answer, does not ping or does not take what is written.
func (c *Conn) check(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.link
	if l == nil {
		return
	}
	head := c.queue.head()
	ping := time.Duration(c.welcome.PingIntervalMS) * time.Millisecond
	switch {
	case head != nil && head.written && now.Sub(head.last) > c.o.AckTimeout:
	case ping > 0 && now.Sub(time.Unix(0, c.heard.Load())) > 5*ping/2+time.Second:
	case l.writing && now.Sub(l.since) > writeTimeout:
	default:
		return
	}
	l.sock.close()
}
