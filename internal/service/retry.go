package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sethvargo/go-retry"
)

// Backoff says how often and how long apart a call is repeated. The zero value waits 100 ms, doubled each time up to 5 s, ±20 %, until ctx ends.
type Backoff struct {
	// Base is the first wait (100 ms when not positive); each next one is twice as long.
	Base time.Duration
	// Cap is the longest wait (5 s when not positive).
	Cap time.Duration
	// Retries is the number of calls after the first; negative or 0 means until ctx ends. For "no retry" do not use Retry.
	Retries int
	// Notify, when set, is called before each wait with the error and the number of the failed call (1, 2, …).
	Notify func(err error, call int)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks err as one that a further call cannot mend: Retry returns it at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// Retry calls f until it returns nil or a Permanent error, b is used up, or ctx ends. It returns the last error of f; when ctx ended, an error
// that is both ctx's error and f's last one.
func Retry(ctx context.Context, b Backoff, f func(ctx context.Context) error) error {
	var last error
	call := 0
	err := retry.Do(ctx, b.fresh(), func(ctx context.Context) error {
		call++
		err := f(ctx)
		var p *permanentError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &p):
			return p.err
		}
		last = err
		if b.Notify != nil && ctx.Err() == nil {
			b.Notify(err, call)
		}
		return retry.RetryableError(err)
	})
	if err != nil && last != nil && ctx.Err() != nil && !errors.Is(err, last) {
		return fmt.Errorf("%w after %d call(s): %w", err, call, last)
	}
	return err
}

// fresh makes the stateful backoff of one Retry.
func (b Backoff) fresh() retry.Backoff {
	base, limit := b.Base, b.Cap
	if base <= 0 {
		base = 100 * time.Millisecond
	}
	if limit <= 0 {
		limit = 5 * time.Second
	}
	out := retry.WithJitterPercent(20, retry.WithCappedDuration(limit, retry.NewExponential(base)))
	if b.Retries > 0 {
		out = retry.WithMaxRetries(uint64(b.Retries), out)
	}
	return out
}
