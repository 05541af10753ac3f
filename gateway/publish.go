package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

const (
	queueWait = time.Second           // how long a socket is not read while the queue of its partition is full
	queuePoll = 20 * time.Millisecond // how often the queue is tried in that time
)

// sendMessage checks a message and appends it. The reply comes when it is durable and read back.
func (c *conn) sendMessage(ctx context.Context, cmd command) {
	var in event.SendMessage
	if err := cmd.into(&in); err != nil {
		c.malformed(cmd.id, err)
		return
	}
	most := c.s.cfg.MaxMessageBytes
	switch {
	case in.Content == "":
		c.malformed(cmd.id, field("content", fmt.Sprintf("must have 1 to %d bytes", most)))
		return
	case len(in.Content) > most:
		c.fail(cmd.id, event.CodeTooBig, fmt.Sprintf("content must have 1 to %d bytes", most), 0)
		c.strike()
		return
	}
	m := &event.Message{
		RoomID: c.member.room, UserID: c.member.user, Nickname: c.member.nickname, Content: in.Content,
		IsAdmin: c.isAdmin(), ClientMsgID: in.ClientMsgID, ClientTS: in.ClientTS,
	}
	if err := m.Validate(); err != nil {
		c.malformed(cmd.id, err)
		return
	}
	if c.maySpeak(cmd, m.IsAdmin) {
		c.publish(ctx, cmd, m)
	}
}

// maySpeak checks everything that is not the command's form, and answers if it may not.
func (c *conn) maySpeak(cmd command, admin bool) bool {
	if c.s.dir.Muted(c.member.room, c.member.user) {
		c.fail(cmd.id, event.CodePermissionDenied, "muted", 0)
		return false
	}
	if info, ok := c.s.dir.Get(c.member.room); !ok || info.Closed {
		c.fail(cmd.id, event.CodeRoomClosed, "room closed", 0)
		return false
	}
	if err := c.s.writable(); err != nil {
		c.fail(cmd.id, event.CodeLogUnavailable, err.Error(), time.Second)
		return false
	}
	interval := c.s.cfg.MessageInterval
	if admin {
		interval = 0
	}
	if wait, ok := c.speech.take(time.Now(), interval); !ok {
		c.fail(cmd.id, event.CodeTooManyRequests, "too many messages", wait)
		c.strike()
		return false
	}
	return true
}

// sendCustomEvent appends an event of the application; admins only.
func (c *conn) sendCustomEvent(ctx context.Context, cmd command) {
	if !c.isAdmin() {
		c.fail(cmd.id, event.CodePermissionDenied, "admins only", 0)
		return
	}
	var in event.SendCustomEvent
	if err := cmd.into(&in); err != nil {
		c.malformed(cmd.id, err)
		return
	}
	if len(in.Payload) > c.s.cfg.MaxMessageBytes {
		c.fail(cmd.id, event.CodeTooBig, fmt.Sprintf("payload may have %d bytes", c.s.cfg.MaxMessageBytes), 0)
		c.strike()
		return
	}
	e := &event.CustomEvent{RoomID: c.member.room, UserID: c.member.user, EventType: in.EventType, Payload: in.Payload}
	if err := e.Validate(); err != nil {
		c.malformed(cmd.id, err)
		return
	}
	if c.maySpeak(cmd, true) {
		c.publish(ctx, cmd, e)
	}
}

// publish appends a record to the chat log. While the partition's queue is full this socket is not read, for at most a second.
func (c *conn) publish(ctx context.Context, cmd command, e event.Event) {
	start := time.Now()
	done := func(f kafkalog.Facts, err error) {
		if err != nil {
			c.failAppend(cmd.id, err)
			return
		}
		c.s.metrics.AckSeconds.Observe(time.Since(start).Seconds())
		c.ack(cmd.id, f)
	}
	err := c.part.chat.send(e, done)
	if errors.Is(err, kafkalog.ErrQueueFull) {
		err = c.sendLater(ctx, e, done)
	}
	if err != nil {
		c.failAppend(cmd.id, err)
	}
}

func (c *conn) sendLater(ctx context.Context, e event.Event, done func(kafkalog.Facts, error)) error {
	c.paused.Store(true)
	defer c.paused.Store(false)
	tick := time.NewTicker(queuePoll)
	defer tick.Stop()
	for until := time.Now().Add(queueWait); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("append %s: %w", e.Kind(), kafkalog.ErrNotStored)
		}
		err := c.part.chat.send(e, done)
		if !errors.Is(err, kafkalog.ErrQueueFull) || time.Now().After(until) {
			return err
		}
	}
}
