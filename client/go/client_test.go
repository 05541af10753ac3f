package client_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	client "splitsync/client/go"
	"splitsync/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSendIsAcknowledged(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.send(welcome(100, true))
		c, _ := p.next()
		if c.Type != event.CmdSendMessage || c.Payload.Content != "hello\n\x00<&>" || c.Payload.ClientTS != 42 || c.Payload.ClientMsgID == "" {
			t.Errorf("got %+v", c)
		}
		p.send(message("ann", c.Payload.ClientMsgID, c.Payload.Content, 101, 99), ack(c, 101, false))
		p.next()
	})
	events := make(chan client.Event, 10)
	o := options(s)
	o.OnEvent = func(e client.Event) {
		if e.Type == event.MsgMessage {
			if m, err := e.Message(); err != nil || m.Content != "hello\n\x00<&>" {
				t.Errorf("%+v, %v", m, err)
			}
			if string(e.Field("from")) != `"ann"` || e.Field("nothing") != nil {
				t.Errorf("field: %s", e.Field("from"))
			}
		}
		events <- e
	}
	c := join(t, o)
	a, err := c.Send(t.Context(), "hello\n\x00<&>", client.WithClientTS(42))
	if err != nil || a.Seq != 101 || a.MessageID != "m101" {
		t.Fatalf("%+v, %v", a, err)
	}
	if e := get(t, events); e.Type != event.MsgWelcome {
		t.Errorf("first event is %s", e.Type)
	}
	if e := get(t, events); e.Seq != 101 || e.PrevSeq != 99 || e.Gap || e.Repeat {
		t.Errorf("got %+v", e)
	}
	if c.Position() != 101 || c.Welcome().UserID != "ann" {
		t.Errorf("position %d, %+v", c.Position(), c.Welcome())
	}
}

func TestPipelinedAcksKeepOrder(t *testing.T) {
	const n = 5000
	s := serve(t, func(p *peer) { p.send(welcome(0, false)); p.ackAll(0) })
	o := options(s)
	o.Window = 64
	c := join(t, o)
	acked := make(chan uint64, n)
	var inFlight, most atomic.Int64
	for i := range n {
		most.Store(max(most.Load(), inFlight.Add(1)))
		err := c.SendAsync(t.Context(), client.Message{Content: fmt.Sprint(i)}, func(a client.Ack, err error) {
			inFlight.Add(-1)
			if err != nil {
				t.Error(err)
			}
			acked <- a.Seq
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if seq := get(t, acked); seq != uint64(i+1) {
			t.Fatalf("ack %d has seq %d", i, seq)
		}
	}
	if m := most.Load(); m > 66 { // a place is free a moment before done runs
		t.Errorf("%d in flight with a window of 64", m)
	}
}

func TestWindowIsBounded(t *testing.T) {
	hold := make(chan struct{})
	s := serve(t, func(p *peer) { p.send(welcome(0, false)); <-hold; p.ackAll(0) })
	o := options(s)
	o.Window = 2
	c := join(t, o)
	done := make(chan error, 3)
	for range 2 {
		if err := c.TrySendAsync(client.Message{Content: "x"}, func(_ client.Ack, err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.TrySendAsync(client.Message{Content: "x"}, nil); !errors.Is(err, client.ErrWindowFull) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var e *client.Error
	if _, err := c.Send(ctx, "x"); !errors.As(err, &e) || e.Code != event.CodeLogUnavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want 120 with the context's error", err)
	}
	close(hold)
	for range 2 {
		if err := get(t, done); err != nil {
			t.Error(err)
		}
	}
}

func TestGapAndRepeatAreSeen(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.send(welcome(10, false), message("bob", "", "a", 12, 11), message("bob", "", "b", 12, 11))
		p.next()
	})
	events := make(chan client.Event, 3)
	o := options(s)
	o.OnEvent = func(e client.Event) { events <- e }
	join(t, o)
	get(t, events)
	if e := get(t, events); !e.Gap || e.Repeat {
		t.Errorf("got %+v, want a gap", e)
	}
	if e := get(t, events); e.Gap || !e.Repeat {
		t.Errorf("got %+v, want a repeat", e)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.send(welcome(0, false))
		c, _ := p.next()
		p.send(fmt.Sprintf(`{"type":"Error","id":%s,"payload":{"message":"slow down","code":111,"retryable":true,"retry_after_ms":1500}}`, c.ID))
		c, _ = p.next()
		p.send(fmt.Sprintf(`{"type":"Pong","id":%s,"payload":{"timestamp":7}}`, c.ID))
		p.next() // the third command is lost
	})
	o := options(s)
	o.NoReconnect = true
	c := join(t, o)
	var e *client.Error
	if _, err := c.Send(t.Context(), "x"); !errors.As(err, &e) || e.Code != event.CodeTooManyRequests || !e.Retryable || e.RetryAfter != 1500*time.Millisecond {
		t.Errorf("got %v", err)
	}
	kind, payload, err := c.Do(t.Context(), event.CmdPing, event.Ping{Timestamp: []byte("7")})
	if err != nil || kind != event.MsgPong || string(payload) != `{"timestamp":7}` {
		t.Errorf("%s %s %v", kind, payload, err)
	}
	if _, _, err := c.Do(t.Context(), event.CmdHistory, nil); !errors.As(err, &e) || e.Code != event.CodeOutcomeUnknown {
		t.Errorf("got %v, want 121", err)
	}
	<-c.Done()
	if _, err := c.Send(t.Context(), "x"); !errors.As(err, &e) || e.Code != event.CodeLogUnavailable {
		t.Errorf("got %v, want 120 after the end", err)
	}
}

func TestWithoutAcks(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.send(welcome(0, false))
		c, _ := p.next()
		if c.ID != nil {
			t.Errorf("an id without the subprotocol: %s", c.ID)
		}
		p.send(message("bob", c.Payload.ClientMsgID, "not mine", 1, 0))
		p.send(message("ann", c.Payload.ClientMsgID, "mine", 2, 1))
		p.next()
		p.send(`{"type":"Error","payload":{"message":"content must have 1 to 65536 bytes","code":107,"retryable":false}}`)
		p.next()
	})
	o := options(s)
	o.Acks = false
	c := join(t, o)
	if a, err := c.Send(t.Context(), "x"); err != nil || a.Seq != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	var e *client.Error
	if _, err := c.Send(t.Context(), ""); !errors.As(err, &e) || e.Code != event.CodeBadRequest {
		t.Errorf("got %v", err)
	}
	if _, _, err := c.Do(t.Context(), event.CmdPing, nil); err == nil {
		t.Error("Do without acks")
	}
}

func TestManyConnectionsAreSmall(t *testing.T) {
	const n = 200
	s := serve(t, func(p *peer) { p.send(welcome(1, false)); p.next() })
	d := client.NewDialer(client.DialerOptions{})
	before := runtime.NumGoroutine()
	var conns []*client.Conn
	for i := range n {
		o := options(s)
		o.User = fmt.Sprint("u", i)
		c, err := d.Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	// The test server has one goroutine for each connection too.
	if got := runtime.NumGoroutine() - before; got > 2*n+20 {
		t.Errorf("%d goroutines for both ends of %d quiet connections", got, n)
	}
	for _, c := range conns {
		leave(t, c)
	}
}
