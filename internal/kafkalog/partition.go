package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// pending is a record that waits for its answer.
type pending struct {
	rec  Outgoing
	done func(offset int64, err error)
	at   time.Time
}

// partition is the queue of one partition and the state of its one writing goroutine.
type partition struct {
	p       *Producer
	number  int
	queue   chan pending
	bytes   atomic.Int64 // queued
	failing atomic.Int64 // Unix ms since when the request in flight fails; 0 = it does not

	mu     sync.RWMutex // guards closed against enqueue
	closed bool

	// Only the goroutine uses what follows.
	session  session
	spent    bool // nothing may be sent under session again
	sequence int32
	buf      []byte
	lent     bool     // a request that was given up may still read buf
	held     *pending // taken from the queue, did not fit the last batch
}

func newPartition(p *Producer, number int) *partition {
	return &partition{p: p, number: number, queue: make(chan pending, maxQueueRecords), session: p.current}
}

func (t *partition) enqueue(in pending) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	size := int64(in.rec.size())
	switch since := t.failing.Load(); {
	case t.closed:
		return t.errorf("%w", ErrClosed)
	case since != 0 && time.Now().UnixMilli()-since > refuseAfter.Milliseconds():
		return t.errorf("%w", ErrNotStored)
	case t.bytes.Load()+size > maxQueueBytes:
		return t.errorf("%w", ErrQueueFull)
	}
	t.bytes.Add(size)
	select {
	case t.queue <- in:
		return nil
	default:
		t.bytes.Add(-size)
		return t.errorf("%w", ErrQueueFull)
	}
}

func (t *partition) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		close(t.queue)
	}
}

func (t *partition) errorf(format string, args ...any) error {
	return fmt.Errorf("append to %s/%d: "+format, append([]any{t.p.topic, t.number}, args...)...)
}

func (t *partition) run() {
	batch := make([]pending, 0, maxBatchRecords)
	for {
		batch = t.collect(batch[:0])
		if len(batch) == 0 {
			return
		}
		t.deliver(batch)
		clear(batch)
	}
}

// collect waits for a record and takes whatever else is queued, up to the bounds of a batch. It returns none when the queue is closed.
func (t *partition) collect(batch []pending) []pending {
	size := 0
	if t.held != nil {
		batch, size, t.held = append(batch, *t.held), t.held.rec.size(), nil
	} else {
		first, ok := t.first()
		if !ok {
			return batch
		}
		t.bytes.Add(-int64(first.rec.size()))
		batch, size = append(batch, first), first.rec.size()
	}
	for len(batch) < maxBatchRecords {
		select {
		case next, ok := <-t.queue:
			if !ok {
				return batch
			}
			t.bytes.Add(-int64(next.rec.size()))
			if size += next.rec.size(); size > maxBatchBytes {
				t.held = &next
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// first waits for a record. Meanwhile it replaces a spent session, so that the end of an incarnation shows also when nobody sends.
func (t *partition) first() (in pending, ok bool) {
	for pause := time.Duration(0); t.spent; pause = renewEvery {
		again := time.NewTimer(pause)
		select {
		case in, ok = <-t.queue:
			again.Stop()
			return in, ok
		case <-again.C:
		}
		ctx, cancel := context.WithTimeout(t.p.ctx, renewEvery)
		_ = t.renew(ctx) // the next one that needs it says why
		cancel()
	}
	in, ok = <-t.queue
	return in, ok
}

// renew makes sure that the session is the producer's current one, and not spent.
func (t *partition) renew(ctx context.Context) error {
	if t.spent {
		if err := t.p.renew(ctx, t.session); err != nil {
			return err
		}
	}
	if s, _ := t.p.session(); s != t.session {
		t.session, t.sequence, t.spent = s, 0, false
	}
	return nil
}

// deliver brings a batch to its one outcome and answers every record of it.
func (t *partition) deliver(batch []pending) {
	offset, err := t.send(batch)
	if err != nil && len(batch) > 1 && (errors.Is(err, ErrTooLarge) || errors.Is(err, ErrRefused)) {
		half := len(batch) / 2 // one record is at fault: find it, so that the others get in
		t.deliver(batch[:half])
		t.deliver(batch[half:])
		return
	}
	for i := range batch {
		if err != nil {
			batch[i].done(0, err)
		} else {
			batch[i].done(offset+int64(i), nil)
		}
	}
}

// send appends a batch, resending the same bytes until the broker has answered or the oldest record has waited too long.
func (t *partition) send(batch []pending) (int64, error) {
	defer t.failing.Store(0)
	ctx, cancel := context.WithDeadline(t.p.ctx, batch[0].at.Add(giveUpAfter))
	defer cancel()
	if ctx.Err() != nil {
		return 0, t.errorf("%w", ErrNotStored)
	}
	if t.spent {
		t.failing.Store(time.Now().UnixMilli())
	}
	if err := t.renew(ctx); err != nil {
		return 0, t.errorf("%w: %w", ErrNotStored, err)
	}
	t.encode(batch)
	ambiguous := false
	wait := backoff()
	for {
		offset, err := t.produce(ctx)
		if err == nil {
			t.sequence = nextSequence(t.sequence, len(batch))
			return offset, nil
		}
		fate, certain := fateOf(err)
		ambiguous = ambiguous || !certain
		if fate != fateResend {
			return 0, t.giveUp(err, fate, ambiguous)
		}
		t.failing.CompareAndSwap(0, time.Now().UnixMilli())
		pause, _ := wait.Next()
		if sleep(ctx, pause) != nil {
			return 0, t.giveUp(err, fateResend, ambiguous)
		}
	}
}

func (t *partition) encode(batch []pending) {
	records := make([]Outgoing, len(batch))
	now := time.Now().UnixMilli()
	for i := range batch {
		records[i] = batch[i].rec
		if records[i].Time == 0 {
			records[i].Time = now
		}
	}
	if t.lent {
		t.buf, t.lent = nil, false
	}
	t.buf = appendBatch(t.buf[:0], records, t.session, t.sequence)
}

func (t *partition) produce(ctx context.Context) (int64, error) {
	try, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := t.p.log.client.RawProduce(try, &kafka.RawProduceRequest{
		Topic: t.p.log.topic(t.p.topic), Partition: t.number, RequiredAcks: kafka.RequireAll,
		RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(t.buf)},
	})
	if err != nil {
		t.lent = true
		return 0, err
	}
	return res.BaseOffset, res.Error
}

// giveUp tells the outcome of a batch that was not acknowledged. If anything of it may have reached the log, or the broker knows this
// session no more, the session is spent: under it the next batch would pass for a repeat of this one.
func (t *partition) giveUp(err error, f fate, ambiguous bool) error {
	outcome := ErrNotStored
	switch {
	case ambiguous:
		outcome = ErrOutcomeUnknown
	case f == fateTooLarge:
		outcome = ErrTooLarge
	case f == fateRefused:
		outcome = ErrRefused
	}
	if f == fateFenced {
		outcome = errors.Join(outcome, ErrFenced)
	}
	t.spent = t.spent || ambiguous || f == fateFenced || f == fateSessionLost
	return t.errorf("%w: %w", outcome, err)
}
