package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"splitsync/event"
)

// block is what a close code asks of a client.
type block int

const (
	blockStop    block = iota // do not reconnect as you are
	blockBackoff              // reconnect after a backoff
	blockAtOnce               // reconnect at once
)

// blockOf needs no table: codes of later servers fall into the same blocks. Codes outside of them, 1001 or 1011 for example, ask for a backoff.
func blockOf(c event.CloseCode) block {
	switch {
	case c >= 4000 && c <= 4099:
		return blockStop
	case c >= 4200 && c <= 4299:
		return blockAtOnce
	}
	return blockBackoff
}

// after tells what the end of a connection asks for.
func after(err error) block {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return blockBackoff
	case e.Close != 0:
		return blockOf(e.Close)
	case !e.Retryable:
		return blockStop
	}
	return blockBackoff
}

// settledAfter is how long a connection must have lived for its successor to start without the backoff of earlier failures.
const settledAfter = 5 * time.Second

// delay is the wait after the end err of a connection; attempt counts the ends since the last one that had settled.
func (o Options) delay(err error, kind block, attempt int) time.Duration {
	if kind == blockAtOnce && attempt == 1 {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return o.wait(attempt, e.RetryAfter)
	}
	return o.wait(attempt, 0)
}

// wait is the full-jitter wait before attempt n (1, 2, …), not less than what the server asked for.
func (o Options) wait(n int, asked time.Duration) time.Duration {
	limit := o.BackoffMin
	for range min(n-1, 30) {
		limit = min(2*limit, o.BackoffMax)
	}
	return asked + rand.N(limit+1)
}

// pause waits before the next attempt. It reports false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
