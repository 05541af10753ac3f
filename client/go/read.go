package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

// run is the reader: it connects, reads until the connection ends, and does so again until it is told not to.
func (c *Conn) run() {
	defer close(c.done)
	c.d.watch(c)
	defer c.d.unwatch(c)
	attempt := 0
	for {
		started := time.Now()
		err := c.session()
		c.lose(err)
		if c.left() {
			c.finish(ErrClosed)
			return
		}
		if c.o.OnDown != nil {
			c.o.OnDown(err)
		}
		kind := after(err)
		if kind == blockStop || c.o.NoReconnect {
			c.finish(err)
			return
		}
		if time.Since(started) > settledAfter {
			attempt = 0
		}
		attempt++
		if !pause(c.ctx, c.o.delay(err, kind, attempt)) {
			c.finish(ErrClosed)
			return
		}
	}
}

// left reports whether Close has ended the connection.
func (c *Conn) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving || c.ctx.Err() != nil
}

// session is the life of one network connection. Its error says why it ended.
func (c *Conn) session() error {
	sock := &socket{}
	stop := context.AfterFunc(c.ctx, sock.close)
	defer stop()
	ws, err := c.connect(sock)
	if err != nil {
		return err
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(c.o.ReadLimit)
	c.heard.Store(time.Now().UnixNano())
	sock.readBy(time.Now().Add(handshakeTimeout)) // WelcomeInfo
	l := &link{ws: ws, sock: sock}
	ctx := context.WithoutCancel(c.ctx) // ends by the socket: a context would cost an AfterFunc a frame
	for {
		_, r, err := ws.Reader(ctx)
		if err != nil {
			return connectionError(err)
		}
		if err := c.frame(l, r); err != nil {
			return connectionError(err)
		}
	}
}

func (c *Conn) connect(sock *socket) (*websocket.Conn, error) {
	c.mu.Lock()
	resume := c.welcomed || c.o.Since != 0
	u := target(c.base, c.position, resume, c.o.History)
	c.mu.Unlock()
	o := &websocket.DialOptions{
		HTTPClient: c.d.http,
		HTTPHeader: c.o.Header,
		OnPingReceived: func(context.Context, []byte) bool {
			c.heard.Store(time.Now().UnixNano())
			return true
		},
	}
	if c.o.Acks {
		o.Subprotocols = []string{event.Subprotocol}
	}
	ws, resp, err := websocket.Dial(context.WithValue(c.ctx, socketKey{}, sock), u, o)
	switch {
	case err == nil && c.o.Acks && ws.Subprotocol() != event.Subprotocol:
		_ = ws.CloseNow()
		return nil, &Error{Code: event.CodeBadRequest, Message: "the server does not speak " + event.Subprotocol}
	case err == nil:
		return ws, nil
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, statusError(resp)
	}
	return nil, fmt.Errorf("client: connect: %w", err)
}

// frame reads one frame and handles its envelopes.
func (c *Conn) frame(l *link, r io.Reader) error {
	buf := c.d.buffer()
	defer c.d.release(buf)
	if err := readAll(r, buf); err != nil {
		return err
	}
	c.heard.Store(time.Now().UnixNano())
	data := *buf
	if !c.o.Acks {
		return c.envelope(l, data)
	}
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		if len(line) > 0 {
			if err := c.envelope(l, line); err != nil {
				return err
			}
		}
		data = rest
	}
	return nil
}

func readAll(r io.Reader, buf *[]byte) error {
	b := (*buf)[:0]
	defer func() { *buf = b }()
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// envelope handles one: a reply goes to its command, everything else to OnEvent.
func (c *Conn) envelope(l *link, data []byte) error {
	var kind, id, payload []byte
	err := fields(data, func(key, value []byte) {
		switch string(key) {
		case "type":
			kind = bytes.Trim(value, `"`)
		case "id":
			id = value
		case "payload":
			payload = value
		}
	})
	if err != nil {
		return fmt.Errorf("client: envelope of %d bytes: %w", len(data), err)
	}
	ev := Event{Type: name(kind), Payload: payload}
	switch ev.Type {
	case event.MsgWelcome:
		if err := c.greet(l, ev); err != nil {
			return err
		}
	case event.MsgMessage, event.MsgSystem, event.MsgCustomEvent:
		c.locate(&ev)
	case event.MsgAck:
		if id == nil {
			id = ev.Field("id")
		}
	}
	if c.replied(ev, id) {
		return nil
	}
	if c.o.OnEvent != nil {
		c.o.OnEvent(ev)
	}
	return nil
}

// name avoids an allocation for the types that come often.
func name(b []byte) string {
	switch string(b) {
	case event.MsgMessage:
		return event.MsgMessage
	case event.MsgAck:
		return event.MsgAck
	case event.MsgRoomStats:
		return event.MsgRoomStats
	case event.MsgUserJoined:
		return event.MsgUserJoined
	case event.MsgUserLeft:
		return event.MsgUserLeft
	}
	return string(b)
}

// greet takes WelcomeInfo and lets the writer start.
func (c *Conn) greet(l *link, ev Event) error {
	var w event.Welcome
	if err := ev.Decode(&w); err != nil {
		return err
	}
	l.sock.readBy(time.Time{})
	c.mu.Lock()
	defer c.mu.Unlock()
	resumed := (c.welcomed || c.o.Since != 0) && w.Recovered
	if !resumed {
		c.position = w.Seq // else the missed records come first and move it
	}
	first := !c.welcomed
	c.welcome, c.welcomed, c.link, c.err = w, true, l, nil
	c.kick()
	if first {
		close(c.ready)
	}
	return nil
}

// locate reads where a record stands and moves the position.
func (c *Conn) locate(ev *Event) {
	_ = fields(ev.Payload, func(key, value []byte) {
		switch string(key) {
		case "seq":
			ev.Seq = number(value)
		case "prev_seq":
			ev.PrevSeq = number(value)
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	ev.Gap = ev.PrevSeq > c.position
	ev.Repeat = ev.Seq <= c.position
	c.position = max(c.position, ev.Seq)
}

// lose forgets the network connection. Commands that may not be sent again fail, the others wait for the next one.
func (c *Conn) lose(err error) {
	c.mu.Lock()
	if c.link != nil {
		c.link.sock.close()
	}
	c.link, c.err = nil, err
	c.mu.Unlock()
	c.writers.Wait()
	c.mu.Lock()
	lost, freed := c.queue.rewind(time.Now())
	c.free(freed)
	c.mu.Unlock()
	for _, cmd := range lost {
		if cmd.done != nil {
			cmd.done(reply{}, unknown(err))
		}
	}
}

// finish ends everything with err.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	c.closing, c.err = true, err
	c.cancel()
	rest, freed := c.queue.drain()
	c.free(freed)
	c.mu.Unlock()
	for _, cmd := range rest {
		switch {
		case cmd.done == nil:
		case cmd.first.IsZero():
			cmd.done(reply{}, notSent(err))
		default:
			cmd.done(reply{}, unknown(err))
		}
	}
}
