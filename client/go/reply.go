package client

import (
	"encoding/json"
	"fmt"
	"time"

	"splitsync/event"
)

// replied gives ev to the command that it answers. It reports whether ev was only that.
func (c *Conn) replied(ev Event, id []byte) bool {
	c.mu.Lock()
	n, event, ok := c.answers(ev, id)
	if !ok {
		c.mu.Unlock()
		return false
	}
	cmd, freed := c.queue.settle(n)
	c.free(freed)
	c.kick()
	c.mu.Unlock()
	if cmd == nil { // answered before, or given up
		return !event
	}
	if err := replyError(ev); err != nil {
		cmd.done(reply{}, err)
	} else {
		cmd.done(reply{ev.Type, ev.Payload}, nil)
	}
	return !event
}

// answers finds the command that ev answers, with mu held. Without acks that is the one in flight, answered by its own message (which is an event
// as well) or by an error.
func (c *Conn) answers(ev Event, id []byte) (n uint64, alsoEvent, ok bool) {
	if c.o.Acks {
		return number(id), false, id != nil
	}
	head := c.queue.head()
	if head == nil || !head.written || head.msgID == "" {
		return 0, false, false
	}
	switch ev.Type {
	case event.MsgError:
		return head.id, false, true
	case event.MsgMessage:
		var m struct {
			From        string `json:"from"`
			ClientMsgID string `json:"client_msg_id"`
		}
		mine := ev.Decode(&m) == nil && m.ClientMsgID == head.msgID && m.From == c.welcome.UserID
		return head.id, true, mine
	}
	return 0, false, false
}

// replyError is the *Error of an Error envelope, nil for others.
func replyError(ev Event) error {
	if ev.Type != event.MsgError {
		return nil
	}
	var p event.ErrorPayload
	if err := json.Unmarshal(ev.Payload, &p); err != nil {
		return unknown(fmt.Errorf("decode %s: %w", ev.Type, err))
	}
	return &Error{Code: p.Code, Retryable: p.Retryable, Message: p.Message, RetryAfter: time.Duration(p.RetryAfterMS) * time.Millisecond}
}
