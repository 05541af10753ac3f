package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
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

func TestUnansweredIsSentAgainAfterReconnect(t *testing.T) {
	var ids atomic.Pointer[[]string]
	s := serve(t, func(p *peer) {
		p.send(welcome(10, false))
		a, _ := p.next()
		b, _ := p.next()
		p.send(message("bob", "", "x", 15, 9))
		ids.Store(&[]string{a.Payload.ClientMsgID, b.Payload.ClientMsgID})
		p.close(event.CloseDraining)
	}, func(p *peer) {
		p.send(welcome(20, true), message("ann", (*ids.Load())[0], "one", 17, 15))
		a, _ := p.next()
		b, _ := p.next()
		if got := []string{a.Payload.ClientMsgID, b.Payload.ClientMsgID}; fmt.Sprint(got) != fmt.Sprint(*ids.Load()) {
			t.Errorf("sent again %v, want %v", got, *ids.Load())
		}
		p.send(ack(a, 17, true), ack(b, 21, false))
		p.next()
	})
	o := options(s)
	var seqs []uint64
	o.OnEvent = func(e client.Event) {
		if e.Gap || e.Repeat {
			t.Errorf("gap or repeat: %+v", e)
		}
		if e.Seq != 0 {
			seqs = append(seqs, e.Seq)
		}
	}
	c := join(t, o)
	acks := make(chan client.Ack, 2)
	for _, text := range []string{"one", "two"} {
		if err := c.SendAsync(t.Context(), client.Message{Content: text}, func(a client.Ack, err error) {
			if err != nil {
				t.Error(err)
			}
			acks <- a
		}); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := get(t, acks), get(t, acks); a.Seq != 17 || !a.Duplicate || b.Seq != 21 || b.Duplicate {
		t.Errorf("acks %+v %+v", a, b)
	}
	if got := fmt.Sprint(seqs); got != "[15 17]" {
		t.Errorf("saw %s", got)
	}
	if q := s.query(0); q.Has("since") || q.Get("user_id") != "ann" {
		t.Errorf("first handshake %v", q)
	}
	if q := s.query(1); q.Get("since") != "15" {
		t.Errorf("resumed with %v", q)
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

func TestCloseCodeBlocks(t *testing.T) {
	for _, tc := range []struct {
		code  event.CloseCode
		again bool
		want  event.ErrorCode
	}{
		{event.CloseToken, false, event.CodeUnauthorized},
		{event.CloseBanned, false, event.CodePermissionDenied},
		{event.CloseRoomClosed, false, event.CodeRoomClosed},
		{event.CloseReplaced, false, 0},
		{event.CloseTooBig, false, event.CodeTooBig},
		{4099, false, 0},
		{event.CloseSlow, true, 0},
		{event.CloseLogUnavailable, true, event.CodeLogUnavailable},
		{4199, true, 0},
		{event.CloseDraining, true, 0},
		{event.CloseNoPong, true, 0},
		{1011, true, 0},
	} {
		t.Run(fmt.Sprint(tc.code), func(t *testing.T) {
			s := serve(t, func(p *peer) { p.send(welcome(1, false)); p.close(tc.code) }, func(p *peer) { p.send(welcome(2, true)); p.next() })
			o := options(s)
			welcomes, downs := make(chan struct{}, 2), make(chan error, 2)
			o.OnEvent = func(client.Event) { welcomes <- struct{}{} }
			o.OnDown = func(err error) { downs <- err }
			c := join(t, o)
			get(t, welcomes)
			var e *client.Error
			if err := get(t, downs); !errors.As(err, &e) || e.Close != tc.code || e.Code != tc.want || e.Retryable != tc.again {
				t.Errorf("got %+v (%v)", e, err)
			}
			if tc.again {
				get(t, welcomes)
				return
			}
			<-c.Done()
			if !errors.As(c.Err(), &e) || e.Close != tc.code {
				t.Errorf("Err is %v", c.Err())
			}
		})
	}
}

func TestHandshakeRefusals(t *testing.T) {
	status := func(code int, header ...string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			if len(header) > 0 {
				w.Header().Set("Retry-After", header[0])
			}
			w.WriteHeader(code)
			return true
		}
	}
	for code, want := range map[int]event.ErrorCode{401: event.CodeUnauthorized, 403: event.CodePermissionDenied, 404: event.CodeRoomClosed, 400: event.CodeBadRequest, 302: event.CodeBadRequest} {
		s := serve(t, func(*peer) {})
		s.refuse = append(s.refuse, status(code))
		_, err := client.Dial(t.Context(), options(s))
		var e *client.Error
		if !errors.As(err, &e) || e.Status != code || e.Code != want || e.Retryable {
			t.Errorf("%d: got %v", code, err)
		}
	}
	s := serve(t, func(p *peer) { p.send(welcome(1, false)); p.next() })
	s.refuse = append(s.refuse, status(500), status(503, "1"))
	o := options(s)
	var waits []time.Duration
	last := time.Now()
	o.OnDown = func(error) { waits = append(waits, time.Since(last)); last = time.Now() }
	join(t, o)
	if d := time.Since(last); len(waits) != 2 || d < time.Second {
		t.Errorf("joined %v after the 503 with Retry-After: 1 (%d refusals)", d, len(waits))
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	s := serve(t, func(*peer) {}) // cuts each connection before WelcomeInfo
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Dial(ctx, options(s)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for _, o := range []client.Options{{URL: "ftp://x", Room: "r"}, {URL: "http://", Room: "r"}, {URL: "http://x", Room: "a/b"}, {URL: ":", Room: "r"}} {
		if _, err := client.Dial(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "client: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestCloseWaitsForAnswers(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := serve(t, func(p *peer) {
		p.send(welcome(0, false))
		c, _ := p.next()
		close(asked)
		<-answer
		p.send(ack(c, 5, false))
		p.next()
	})
	c := join(t, options(s))
	result := make(chan error, 1)
	if err := c.SendAsync(t.Context(), client.Message{Content: "x"}, func(_ client.Ack, err error) { result <- err }); err != nil {
		t.Fatal(err)
	}
	<-asked
	closed := make(chan struct{})
	go func() { defer close(closed); leave(t, c) }()
	close(answer)
	get(t, closed)
	if err := get(t, result); err != nil {
		t.Errorf("answered with %v", err)
	}
	if _, err := c.Send(t.Context(), "x"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(p *peer) { p.send(welcome(0, false)); p.next(); <-gone })
	c, err := client.Dial(t.Context(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	defer close(gone)
	result := make(chan error, 1)
	if err := c.SendAsync(t.Context(), client.Message{Content: "x"}, func(_ client.Ack, err error) { result <- err }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	var e *client.Error
	if err := get(t, result); !errors.As(err, &e) || e.Code != event.CodeOutcomeUnknown {
		t.Errorf("got %v, want 121", err)
	}
	<-c.Done()
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

func TestSilentServerIsLeft(t *testing.T) {
	stay := make(chan struct{})
	defer close(stay)
	s := serve(t, func(p *peer) {
		p.send(`{"type":"WelcomeInfo","payload":{"user_id":"ann","ping_interval_ms":100,"limits":{}}}`)
		<-stay
	}, func(p *peer) { p.send(welcome(1, true)); p.ackAll(1) })
	c := join(t, options(s))
	if _, err := c.Send(t.Context(), "x"); err != nil {
		t.Error(err)
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
