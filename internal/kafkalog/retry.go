package kafkalog

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/sethvargo/go-retry"
)

// callTimeout bounds one request to a broker, beside what a long poll waits.
const callTimeout = 10 * time.Second

// retry calls f until it succeeds, fails for good, or ctx ends; the last error is kept. One request has callTimeout.
func (l *Log) retry(ctx context.Context, what string, f func(context.Context) error) error {
	var last error
	err := retry.Do(ctx, backoff(), func(ctx context.Context) error {
		try, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		last = f(try)
		if last == nil || !transient(last) {
			return last
		}
		l.faults.Warn("retry", "kafka request was not answered, trying on", "what", what, "error", last.Error())
		return retry.RetryableError(last)
	})
	if err != nil && last != nil && ctx.Err() != nil {
		return errors.Join(ctx.Err(), last)
	}
	return err
}

// backoff returns a fresh one: it is stateful.
func backoff() retry.Backoff {
	return retry.WithJitterPercent(20, retry.WithCappedDuration(time.Second, retry.NewExponential(20*time.Millisecond)))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// transient tells whether the same request may succeed later.
func transient(err error) bool {
	var code kafka.Error
	if errors.As(err, &code) {
		return code.Temporary() || code == kafka.BrokerNotAvailable || code == kafka.ReplicaNotAvailable || code == kafka.Unknown
	}
	var netErr net.Error
	var noTopic *protocol.TopicError
	var noPartition *protocol.TopicPartitionError
	switch {
	case errors.As(err, &netErr), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET),
		errors.As(err, &noTopic), errors.As(err, &noPartition),
		errors.Is(err, protocol.ErrNoLeader), errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		return true
	}
	return false
}

// neverSent tells whether a failed request certainly did not reach a broker.
func neverSent(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return errors.Is(err, protocol.ErrNoLeader) || errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition)
}
