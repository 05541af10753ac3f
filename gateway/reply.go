package gateway

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// retryable are the codes of errors that the same command may get over.
var retryable = map[event.ErrorCode]bool{
	event.CodeTooManyRequests: true, event.CodeLogUnavailable: true, event.CodeOutcomeUnknown: true, event.CodeOverloaded: true,
}

// faults is the one table from an append's error to what the client is told. The first that matches holds.
var faults = []struct {
	is      error
	code    event.ErrorCode
	message string
}{
	{kafkalog.ErrOutcomeUnknown, event.CodeOutcomeUnknown, "outcome unknown: retry with the same client_msg_id"},
	{kafkalog.ErrTooLarge, event.CodeTooBig, "too big for the log"},
	{kafkalog.ErrQueueFull, event.CodeOverloaded, "overloaded: retry"},
	{kafkalog.ErrNotStored, event.CodeLogUnavailable, "log unavailable: not stored, retry"},
	{kafkalog.ErrRefused, event.CodeLogUnavailable, "the log refused the record: not stored"},
	{kafkalog.ErrClosed, event.CodeLogUnavailable, "stopping: not stored, retry"},
}

// codeOf returns what a failed append is told as.
func codeOf(err error) (event.ErrorCode, string) {
	for _, f := range faults {
		if errors.Is(err, f.is) {
			return f.code, f.message
		}
	}
	var bad *event.FieldError
	if errors.As(err, &bad) {
		return event.CodeBadRequest, bad.Error()
	}
	return event.CodeInternal, "internal error"
}

// fail answers a command with an Error.
func (c *conn) fail(id json.RawMessage, code event.ErrorCode, message string, wait time.Duration) {
	c.s.metrics.Errors.WithLabelValues(strconv.Itoa(int(code))).Inc()
	p := event.ErrorPayload{Message: message, Code: code, Retryable: retryable[code]}
	if wait > 0 {
		p.RetryAfterMS = (wait + time.Millisecond - 1).Milliseconds()
	}
	c.reply(event.MsgError, id, p)
}

// failAppend answers a command whose append failed.
func (c *conn) failAppend(id json.RawMessage, err error) {
	code, message := codeOf(err)
	if code == event.CodeInternal {
		c.s.faults.Error("append", "append of a command failed", "room", c.member.room, "error", err.Error())
	}
	wait := time.Duration(0)
	if retryable[code] {
		wait = time.Second
	}
	c.fail(id, code, message, wait)
}

// ack answers a command that is durable and was read back; plain clients and commands without an id get none.
func (c *conn) ack(id json.RawMessage, f kafkalog.Facts) {
	c.s.metrics.Acks.Inc()
	if f.Duplicate {
		c.s.metrics.Duplicates.Inc()
	}
	if !c.v1 || id == nil {
		return
	}
	c.reply(event.MsgAck, id, event.Ack{
		ID: id, MessageID: f.FirstMessageID.String(), Seq: f.FirstSeq,
		CreatedAt: event.Seconds(f.FirstCreatedAt), CreatedAtMS: f.FirstCreatedAt, Duplicate: f.Duplicate,
	})
}
