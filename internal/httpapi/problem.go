package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Problem is the body of every error answer (application/problem+json). Error repeats Detail for clients of the old server.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Instance  string `json:"instance"`
	Error     string `json:"error"`
	RequestID string `json:"request_id,omitempty"`
}

// Error is a failure that knows its answer. Detail is shown to the client, so it holds no secret and no text of others; the cause is only for
// the log.
type Error struct {
	Status     int
	Detail     string
	RetryAfter time.Duration // sent as whole seconds, rounded up; 0 sends none
	Cause      error
}

// Error is the detail, with the cause behind it.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", e.Detail, e.Cause)
	}
	return e.Detail
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf is an Error of status with a formatted detail and no cause.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// BadRequest is a 400 that names the field and says what is wrong with it, with the allowed range.
func BadRequest(field, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Detail: field + ": " + fmt.Sprintf(format, args...)}
}

// NotFound is a 404, for example NotFound("room %s", id).
func NotFound(format string, args ...any) *Error {
	return &Error{Status: http.StatusNotFound, Detail: fmt.Sprintf(format, args...) + " not found"}
}

// Conflict is a 409.
func Conflict(format string, args ...any) *Error {
	return Errorf(http.StatusConflict, format, args...)
}

// TooMany is a 429 that asks to wait.
func TooMany(wait time.Duration, format string, args ...any) *Error {
	return &Error{Status: http.StatusTooManyRequests, RetryAfter: wait, Detail: fmt.Sprintf(format, args...)}
}

// Unavailable is a 503 that asks to wait; cause goes to the log.
func Unavailable(wait time.Duration, cause error, format string, args ...any) *Error {
	return &Error{Status: http.StatusServiceUnavailable, RetryAfter: wait, Cause: cause, Detail: fmt.Sprintf(format, args...)}
}

// Rule is one line of a service's table error → answer.
type Rule struct {
	Is         error // matched with errors.Is
	Status     int
	Detail     string // shown to the client; empty shows the text of Is
	RetryAfter time.Duration
}

// resolve finds the answer to err: an Error in its chain, else the first rule that matches, else 500.
func resolve(rules []Rule, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, r := range rules {
		if errors.Is(err, r.Is) {
			detail := r.Detail
			if detail == "" {
				detail = r.Is.Error()
			}
			return &Error{Status: r.Status, Detail: detail, RetryAfter: r.RetryAfter, Cause: err}
		}
	}
	return &Error{Status: http.StatusInternalServerError, Cause: err}
}
