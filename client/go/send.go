package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"splitsync/event"
)

// Ack tells that a message is durable and where it stands in the log.
type Ack = event.Ack

// Message is something to say.
type Message struct {
	Content     string
	ClientMsgID string // made when empty; at most 64 bytes, unique for user and room
	ClientTS    int64  // the client's own time, Unix milliseconds; 0 = none
}

// SendOption changes one Send.
type SendOption func(*Message)

// WithClientMsgID sets the client_msg_id, so that a message of an earlier process can be sent again.
func WithClientMsgID(id string) SendOption { return func(m *Message) { m.ClientMsgID = id } }

// WithClientTS sets client_ts, in Unix milliseconds.
func WithClientTS(ms int64) SendOption { return func(m *Message) { m.ClientTS = ms } }

// Send says content in the room and returns when it is durable. It is sent again after a lost connection, for 100 s, and appears once. Errors are
// *Error: after code 121 the fate is unknown, and sending again with the same client_msg_id within 120 s is safe; 120 means certainly not stored. When ctx ends
// first, the error is 121 with ctx's error inside. Not to be called from OnEvent.
func (c *Conn) Send(ctx context.Context, content string, opts ...SendOption) (Ack, error) {
	m := Message{Content: content}
	for _, o := range opts {
		o(&m)
	}
	type result struct {
		ack Ack
		err error
	}
	answer := make(chan result, 1)
	if err := c.SendAsync(ctx, m, func(a Ack, err error) { answer <- result{a, err} }); err != nil {
		return Ack{}, err
	}
	select {
	case r := <-answer:
		return r.ack, r.err
	case <-ctx.Done():
		return Ack{}, unknown(ctx.Err())
	}
}

// SendAsync queues m and returns; done is called once with its fate, on the reader's goroutine, in the order of the answers. It waits while the
// window is full, until ctx ends; then, and after Close, it returns an error and done is not called. Messages of one goroutine reach the log in
// their order unless one of them is refused.
func (c *Conn) SendAsync(ctx context.Context, m Message, done func(Ack, error)) error {
	if err := c.reserve(ctx); err != nil {
		return err
	}
	return c.enqueue(m, done)
}

// TrySendAsync is SendAsync that returns ErrWindowFull instead of waiting, so that callbacks may use it.
func (c *Conn) TrySendAsync(m Message, done func(Ack, error)) error {
	select {
	case c.slots <- struct{}{}:
		return c.enqueue(m, done)
	default:
		return ErrWindowFull
	}
}

// reserve waits for a place in the window.
func (c *Conn) reserve(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-c.ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return notSent(c.end())
	case <-ctx.Done():
		return notSent(ctx.Err())
	}
}

// enqueue needs a place in the window and gives it back when it fails.
func (c *Conn) enqueue(m Message, done func(Ack, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.ClientMsgID == "" {
		c.msgs++
		m.ClientMsgID = c.prefix + strconv.FormatUint(c.msgs, 36)
	}
	cmd := &command{msgID: m.ClientMsgID, done: func(r reply, err error) {
		if err != nil {
			done(Ack{}, err)
			return
		}
		done(r.ack())
	}}
	return c.push(cmd, event.CmdSendMessage, event.SendMessage{Content: m.Content, ClientMsgID: m.ClientMsgID, ClientTS: m.ClientTS})
}

// push encodes and queues a command, with mu held.
func (c *Conn) push(cmd *command, kind string, payload any) error {
	err := c.encode(cmd, kind, payload)
	switch {
	case err == nil && (c.closing || c.ctx.Err() != nil):
		err = notSent(c.end())
	case err == nil:
		c.queue.add(cmd)
		c.kick()
		return nil
	}
	<-c.slots
	return err
}

func (c *Conn) encode(cmd *command, kind string, payload any) error {
	e := event.Envelope{Type: kind}
	if c.o.Acks && cmd.done != nil {
		e.ID = strconv.AppendUint(nil, c.queue.nextID(), 10)
	}
	var err error
	if payload != nil {
		if e.Payload, err = event.Marshal(payload); err != nil {
			return fmt.Errorf("client: encode %s: %w", kind, err)
		}
	}
	if cmd.data, err = event.Marshal(e); err != nil {
		return fmt.Errorf("client: encode %s: %w", kind, err)
	}
	return nil
}

// Do sends a command other than SendMessage (KickUser, History, Ping, …) and returns the type and payload of its one reply. It needs Acks. It
// is not sent again after a lost connection: then its error has code 121. Not to be called from OnEvent.
func (c *Conn) Do(ctx context.Context, kind string, payload any) (replyType string, replyPayload json.RawMessage, err error) {
	if !c.o.Acks {
		return "", nil, errors.New("client: Do needs Acks")
	}
	type result struct {
		r   reply
		err error
	}
	answer := make(chan result, 1)
	cmd := &command{done: func(r reply, err error) {
		answer <- result{reply{r.kind, append([]byte(nil), r.payload...)}, err}
	}}
	if err := c.place(ctx, cmd, kind, payload); err != nil {
		return "", nil, err
	}
	select {
	case a := <-answer:
		return a.r.kind, a.r.payload, a.err
	case <-ctx.Done():
		return "", nil, unknown(ctx.Err())
	}
}

// Notify sends a command that has no reply, or whose reply is to come as an event (Typing; without Acks also Ping). It is sent at most once.
func (c *Conn) Notify(ctx context.Context, kind string, payload any) error {
	return c.place(ctx, &command{}, kind, payload)
}

func (c *Conn) place(ctx context.Context, cmd *command, kind string, payload any) error {
	if err := c.reserve(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.push(cmd, kind, payload)
}

// ack reads an Ack, or the place of the own message where there are no acks.
func (r reply) ack() (Ack, error) {
	var a Ack
	if err := json.Unmarshal(r.payload, &a); err != nil {
		return Ack{}, unknown(fmt.Errorf("decode %s: %w", r.kind, err))
	}
	a.ID = nil
	return a, nil
}
