package client

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"splitsync/event"
)

// ErrClosed is the error of commands on a connection that Close ended.
var ErrClosed = errors.New("client: closed")

// ErrWindowFull is the error of TrySendAsync when the window holds no more unanswered commands.
var ErrWindowFull = errors.New("client: window of unanswered commands is full")

// Error is a refusal by the server, or a command whose fate the connection took with it.
type Error struct {
	Code       event.ErrorCode // 0 when the server gave a close code without an error code for it
	Retryable  bool            // the same command, with the same client_msg_id, may succeed
	RetryAfter time.Duration   // what the server asked to wait; 0 = nothing
	Close      event.CloseCode // the close code, when the connection was closed
	Status     int             // the HTTP status, when the handshake was refused
	Message    string          // the server's words
	Err        error           // the cause, when there is one
}

// Error tells code and words.
func (e *Error) Error() string {
	s := "client: error " + strconv.Itoa(int(e.Code))
	switch {
	case e.Status != 0:
		s = fmt.Sprintf("client: handshake refused with status %d", e.Status)
	case e.Close != 0:
		s = fmt.Sprintf("client: connection closed with code %d", e.Close)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// closeCodes tells the error code that belongs to a close code.
func closeCode(c event.CloseCode) event.ErrorCode {
	switch c {
	case event.CloseToken:
		return event.CodeUnauthorized
	case event.CloseBanned:
		return event.CodePermissionDenied
	case event.CloseRoomClosed:
		return event.CodeRoomClosed
	case event.CloseTooBig:
		return event.CodeTooBig
	case event.CloseAbusive:
		return event.CodeTooManyRequests
	case event.CloseLogUnavailable:
		return event.CodeLogUnavailable
	case event.CloseInternal:
		return event.CodeInternal
	}
	return 0
}

// statusError is the Error of a refused handshake.
func statusError(resp *http.Response) *Error {
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized:
		e.Code = event.CodeUnauthorized
	case s == http.StatusForbidden:
		e.Code = event.CodePermissionDenied
	case s == http.StatusNotFound:
		e.Code = event.CodeRoomClosed
	case s == http.StatusTooManyRequests:
		e.Code, e.Retryable = event.CodeTooManyRequests, true
	case s == http.StatusServiceUnavailable:
		e.Code, e.Retryable = event.CodeOverloaded, true
	case s == http.StatusRequestTimeout || s >= 500:
		e.Code, e.Retryable = event.CodeInternal, true
	default:
		e.Code = event.CodeBadRequest
	}
	return e
}

// retryAfter reads the header in both of its forms; longer than 10 minutes counts as 10 minutes.
func retryAfter(s string, now time.Time) time.Duration {
	d := time.Duration(0)
	if n, err := strconv.Atoi(s); err == nil {
		d = time.Duration(min(n, 600)) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), 10*time.Minute)
}

// connectionError makes the end of a connection an *Error with its close code, if it had one.
func connectionError(err error) error {
	var ce websocket.CloseError
	if !errors.As(err, &ce) {
		return err
	}
	code := event.CloseCode(ce.Code)
	return &Error{Code: closeCode(code), Close: code, Retryable: blockOf(code) != blockStop, Message: ce.Reason}
}

// unknown is the error of a command that was sent but not answered, notSent of one that was not.
func unknown(cause error) error {
	return &Error{Code: event.CodeOutcomeUnknown, Retryable: true, Message: "no answer came", Err: cause}
}

func notSent(cause error) error {
	return &Error{Code: event.CodeLogUnavailable, Retryable: true, Message: "not sent", Err: cause}
}
