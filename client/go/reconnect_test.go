package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "splitsync/client/go"
	"splitsync/event"
)

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
