package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

// client is one connection; its frames are read by next.
type client struct {
	t       testing.TB
	ws      *websocket.Conn
	v1      bool
	lines   []string
	welcome event.Welcome
}

func (n *node) dial(room, user, query string, v1 bool) (*client, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	opts := &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: smallBuffer}}}
	if v1 {
		opts.Subprotocols = []string{event.Subprotocol}
	}
	u := strings.Replace(n.http.URL, "http", "ws", 1) + "/ws/rooms/" + room + "?user_id=" + url.QueryEscape(user) + query
	ws, res, err := websocket.Dial(ctx, u, opts)
	if err != nil {
		code := 0
		if res != nil {
			code = res.StatusCode
		}
		return nil, code, err
	}
	ws.SetReadLimit(64 << 20)
	n.t.Cleanup(func() { _ = ws.CloseNow() })
	return &client{t: n.t, ws: ws, v1: v1}, 101, nil
}

// smallBuffer dials so that what a client does not read stays with the gateway.
func smallBuffer(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if tcp, ok := c.(*net.TCPConn); ok {
		err = tcp.SetReadBuffer(64 << 10)
	}
	return c, err
}

// join connects with splitsync.v1 and reads the welcome.
func (n *node) join(room, user string) *client { n.t.Helper(); return n.joinAs(room, user, "", true) }

func (n *node) joinAs(room, user, query string, v1 bool) *client {
	n.t.Helper()
	c, code, err := n.dial(room, user, query, v1)
	if err != nil {
		n.t.Fatalf("join: %d %v", code, err)
	}
	e := c.next()
	if e.Type != event.MsgWelcome {
		n.t.Fatalf("first envelope is %s", e.Type)
	}
	c.decode(e.Payload, &c.welcome)
	return c
}

// read returns the next envelope or the error that ended the connection.
func (c *client) read() (event.Envelope, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 35*time.Second)
	defer cancel()
	for len(c.lines) == 0 {
		_, frame, err := c.ws.Read(ctx)
		if err != nil {
			return event.Envelope{}, err
		}
		c.lines = strings.Split(string(frame), "\n")
		if !c.v1 && len(c.lines) != 1 {
			return event.Envelope{}, errors.New("several envelopes in a plain frame")
		}
	}
	line := c.lines[0]
	c.lines = c.lines[1:]
	var e event.Envelope
	return e, json.Unmarshal([]byte(line), &e)
}

func (c *client) next() event.Envelope {
	c.t.Helper()
	e, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return e
}

// until reads on to the next envelope of a type.
func (c *client) until(typ string) event.Envelope {
	c.t.Helper()
	for {
		if e := c.next(); e.Type == typ {
			return e
		}
	}
}

func (c *client) decode(raw json.RawMessage, v any) {
	c.t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		c.t.Fatal(err)
	}
}

// closed reads on until the connection ends and returns the code.
func (c *client) closed() int {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			code := int(websocket.CloseStatus(err))
			if code < 0 {
				c.t.Logf("connection ended: %v", err)
			}
			return code
		}
	}
}

func (c *client) send(typ, id string, payload any) {
	c.t.Helper()
	body, err := event.Marshal(payload)
	if err != nil {
		c.t.Fatal(err)
	}
	e := event.Envelope{Type: typ, Payload: body}
	if id != "" {
		e.ID, _ = json.Marshal(id)
	}
	frame, err := event.Marshal(e)
	if err != nil {
		c.t.Fatal(err)
	}
	c.raw(string(frame))
}

func (c *client) raw(frame string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// say sends a message and waits for its ack.
func (c *client) say(content, clientMsgID string) event.Ack {
	c.t.Helper()
	c.send(event.CmdSendMessage, "id-"+content[:min(8, len(content))], event.SendMessage{Content: content, ClientMsgID: clientMsgID})
	return c.ack()
}

func (c *client) ack() event.Ack {
	c.t.Helper()
	for {
		switch e := c.next(); e.Type {
		case event.MsgAck:
			var a event.Ack
			c.decode(e.Payload, &a)
			return a
		case event.MsgError:
			c.t.Fatalf("error instead of ack: %s", e.Payload)
		}
	}
}

func (c *client) failure() event.ErrorPayload {
	c.t.Helper()
	var p event.ErrorPayload
	c.decode(c.until(event.MsgError).Payload, &p)
	return p
}

func (c *client) message() event.ChatMessage {
	c.t.Helper()
	var m event.ChatMessage
	c.decode(c.until(event.MsgMessage).Payload, &m)
	return m
}
