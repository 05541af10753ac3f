package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	client "splitsync/client/go"
	"splitsync/event"
)

// script plays one connection of the server; when it returns, the network connection is cut.
type script func(p *peer)

// server answers the n-th handshake with the n-th script; the last one goes on for ever.
type server struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	scripts []script
	refuse  []func(http.ResponseWriter) bool // looked at before the scripts, once each
	queries []url.Values
	running sync.WaitGroup
}

// peer is the server's end of a connection.
type peer struct {
	t   *testing.T
	ws  *websocket.Conn
	buf [][]byte
}

// command is what a client sent.
type command struct {
	Type    string
	ID      json.RawMessage
	Payload event.SendMessage
}

func serve(t *testing.T, scripts ...script) *server {
	s := &server{t: t, scripts: scripts}
	s.Server = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(func() { s.Close(); s.running.Wait() })
	return s
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Lock()
	s.queries = append(s.queries, r.URL.Query())
	if len(s.refuse) > 0 {
		refuse := s.refuse[0]
		s.refuse = s.refuse[1:]
		s.mu.Unlock()
		refuse(w)
		return
	}
	play := s.scripts[0]
	if len(s.scripts) > 1 {
		s.scripts = s.scripts[1:]
	}
	s.mu.Unlock()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{event.Subprotocol}})
	if err != nil {
		return
	}
	ws.SetReadLimit(-1)
	defer func() { _ = ws.CloseNow() }()
	play(&peer{t: s.t, ws: ws})
}

func (s *server) query(n int) url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.queries) {
		return nil
	}
	return s.queries[n]
}

// send writes one frame of the given envelopes.
func (p *peer) send(lines ...string) bool {
	var frame []byte
	for i, l := range lines {
		if i > 0 {
			frame = append(frame, '\n')
		}
		frame = append(frame, l...)
	}
	return p.ws.Write(context.Background(), websocket.MessageText, frame) == nil
}

// next is the next command, ok is false when the connection has ended.
func (p *peer) next() (c command, ok bool) {
	for len(p.buf) == 0 {
		_, data, err := p.ws.Read(context.Background())
		if err != nil {
			return c, false
		}
		p.buf = bytes.Split(data, []byte{'\n'})
	}
	if err := json.Unmarshal(p.buf[0], &c); err != nil {
		p.t.Errorf("not a command: %v", err)
	}
	p.buf = p.buf[1:]
	return c, true
}

func (p *peer) close(code event.CloseCode) { _ = p.ws.Close(websocket.StatusCode(code), "scripted") }

// ackAll acknowledges everything, counting seqs up from seq+1, until the connection ends.
func (p *peer) ackAll(seq uint64) {
	for {
		c, ok := p.next()
		if !ok {
			return
		}
		seq++
		p.send(ack(c, seq, false))
	}
}

func welcome(seq uint64, recovered bool) string {
	return fmt.Sprintf(`{"type":"WelcomeInfo","payload":{"user_id":"ann","seq":%d,"recovered":%v,"ping_interval_ms":0,"limits":{}}}`, seq, recovered)
}

func ack(c command, seq uint64, duplicate bool) string {
	return fmt.Sprintf(`{"type":"Ack","id":%s,"payload":{"message_id":"m%d","seq":%d,"created_at":1,"created_at_ms":1000,"duplicate":%v}}`, c.ID, seq, seq, duplicate)
}

func message(from, id, content string, seq, prev uint64) string {
	payload, _ := event.Marshal(event.ChatMessage{From: from, ClientMsgID: id, Content: content,
		Place: event.Place{Seq: seq, PrevSeq: prev, MessageID: fmt.Sprint("m", seq)}})
	return `{"type":"Message","payload":` + string(payload) + `}`
}

func options(s *server) client.Options {
	return client.Options{URL: s.URL, Room: "lobby", User: "ann", Acks: true, BackoffMin: time.Millisecond, BackoffMax: 5 * time.Millisecond}
}

// join dials and leaves at the end of the test.
func join(t *testing.T, o client.Options) *client.Conn {
	t.Helper()
	c, err := client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leave(t, c) })
	return c
}

func leave(t *testing.T, c *client.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// get takes from ch or fails.
func get[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
		panic("unreachable")
	}
}
