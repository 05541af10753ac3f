package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

// Bounds of what a client may send.
const (
	minFrameBytes = 1 << 20 // splitsync.v1: many envelopes a frame
	keepBuffer    = 16 << 10
	abuseBurst    = 100 // malformed or refused commands at once
	abuseRate     = 2   // a second
)

// frameLimit bounds one frame. JSON may write each byte of the content as \u00xx.
func (c *conn) frameLimit() int64 {
	limit := int64(c.s.cfg.MaxMessageBytes)*6 + 8<<10
	if c.v1 {
		limit = max(limit, minFrameBytes)
	}
	return limit
}

// read handles what the client sends until the connection ends. A command that waits for the log holds back those behind it.
func (c *conn) read(ctx context.Context) {
	c.ws.SetReadLimit(-1) // we bound it ourselves, to close with our own code
	limit := c.frameLimit()
	var buf bytes.Buffer
	for {
		typ, r, err := c.ws.Reader(ctx)
		if err != nil {
			return
		}
		if buf.Cap() > keepBuffer {
			buf = bytes.Buffer{}
		}
		buf.Reset()
		n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
		if err != nil {
			return
		}
		c.heard.Store(time.Now().UnixMilli())
		if n > limit {
			c.shut(event.CloseTooBig, "frame too big", event.LeaveError)
			return
		}
		if typ != websocket.MessageText {
			c.malformed(nil, field("frame", "must be text"))
			continue
		}
		if !c.handleFrame(ctx, buf.Bytes()) {
			return
		}
	}
}

// handleFrame handles one frame; false ends the reading.
func (c *conn) handleFrame(ctx context.Context, frame []byte) bool {
	if !c.v1 {
		c.handle(ctx, frame)
		return !c.isClosing()
	}
	handled := false
	for line := range bytes.SplitSeq(frame, []byte{'\n'}) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		handled = true
		if c.handle(ctx, line); c.isClosing() {
			return false
		}
	}
	if !handled {
		c.malformed(nil, field("frame", "must hold an envelope"))
	}
	return true
}

func (c *conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// handle does one command.
func (c *conn) handle(ctx context.Context, line []byte) {
	cmd, err := decodeCommand(line, c.v1)
	if err != nil {
		c.malformed(cmd.id, err)
		return
	}
	do, known := commands[cmd.typ]
	if !known {
		c.s.metrics.Commands.WithLabelValues("unknown").Inc()
		c.fail(cmd.id, event.CodeUnknownCommand, "unknown command", 0)
		c.strike()
		return
	}
	c.s.metrics.Commands.WithLabelValues(cmd.typ).Inc()
	do(c, ctx, cmd)
}

// commands is the one table of what clients may ask. It is never written to.
var commands = map[string]func(c *conn, ctx context.Context, cmd command){
	event.CmdSendMessage: (*conn).sendMessage,
	event.CmdCustomEvent: (*conn).sendCustomEvent,
	event.CmdKickUser:    (*conn).moderate,
	event.CmdMuteUser:    (*conn).moderate,
	event.CmdUnmuteUser:  (*conn).moderate,
	event.CmdHistory:     (*conn).history,
	event.CmdPresence:    (*conn).presence,
	event.CmdTyping:      (*conn).sayTyping,
	event.CmdPing:        (*conn).pong,
}

// malformed answers 107, naming the field.
func (c *conn) malformed(id json.RawMessage, err error) {
	c.fail(id, event.CodeBadRequest, err.Error(), 0)
	c.strike()
}

// strike counts a malformed or refused command; too many close the connection with 4029.
func (c *conn) strike() {
	if _, ok := c.abuse.take(time.Now()); !ok {
		c.shut(event.CloseAbusive, "too many bad commands", event.LeaveError)
	}
}

func (c *conn) pong(_ context.Context, cmd command) {
	var in event.Ping
	if err := cmd.into(&in); err != nil {
		c.malformed(cmd.id, err)
		return
	}
	c.reply(event.MsgPong, cmd.id, in)
}

// sayTyping tells the other members of this gateway; it is never stored. More than two a second are dropped.
func (c *conn) sayTyping(_ context.Context, cmd command) {
	if wait, ok := c.typing.take(time.Now()); !ok {
		c.fail(cmd.id, event.CodeTooManyRequests, "typing too often", wait)
		c.strike()
		return
	}
	c.part.mu.Lock()
	c.room.tell(envelope(event.MsgTyping, nil, event.Member{UserID: c.member.user, Nickname: c.member.nickname}), c)
	c.part.mu.Unlock()
	if c.v1 && cmd.id != nil {
		c.reply(event.MsgAck, cmd.id, event.Ack{ID: cmd.id})
	}
}
