package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
)

// Bounds of a producer, a partition.
const (
	MaxRecordBytes  = 950 << 10 // value of one record; the broker's limit of a batch is 1,048,588 bytes
	maxBatchRecords = 1000
	maxBatchBytes   = 900 << 10
	maxQueueRecords = 16384
	maxQueueBytes   = 32 << 20
	giveUpAfter     = 25 * time.Second // from the moment a record was queued
	refuseAfter     = 2 * time.Second  // a partition that fails for longer takes no new records
	renewEvery      = time.Second      // how often a new producer id is asked for while nothing is queued
)

// What an append can end with, beside success. Use errors.Is.
var (
	ErrNotStored      = errors.New("not stored: the log is unavailable")      // certainly not in the log
	ErrOutcomeUnknown = errors.New("outcome unknown: the log did not answer") // may be in the log
	ErrTooLarge       = errors.New("record is too large for the log")         // certainly not in the log, will never be
	ErrRefused        = errors.New("the log refuses the record")              // certainly not in the log, will never be
	ErrQueueFull      = errors.New("the queue of the partition is full")      // certainly not in the log
	ErrFenced         = errors.New("another process ended this incarnation")  // with ErrNotStored or ErrOutcomeUnknown
	ErrClosed         = errors.New("producer is closed")                      // certainly not in the log
)

// Producer appends records to one topic: each accepted record once, in the order in which it was accepted a partition. What queues
// while a request is in flight goes out with the next one (group commit, no linger). It is safe for concurrent use.
type Producer struct {
	log   *Log
	topic event.Topic
	parts []*partition
	wg    sync.WaitGroup
	kill  context.CancelFunc
	ctx   context.Context

	mu      sync.Mutex
	closed  bool
	current session
	ended   chan struct{} // closed when current is given up
}

// NewProducer gets a producer id and starts a goroutine a partition; Close ends them. ctx bounds only the start.
func (l *Log) NewProducer(ctx context.Context, topic event.Topic) (*Producer, error) {
	s, err := l.initProducer(ctx)
	if err != nil {
		return nil, fmt.Errorf("open producer for %s: %w", topic, err)
	}
	p := &Producer{log: l, topic: topic, current: s, ended: make(chan struct{})}
	p.ctx, p.kill = context.WithCancel(context.WithoutCancel(ctx))
	for i := range l.PartitionsOf(topic) {
		p.parts = append(p.parts, newPartition(p, i))
	}
	for _, part := range p.parts {
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			part.run()
		}()
	}
	return p, nil
}

func (l *Log) initProducer(ctx context.Context) (s session, err error) {
	err = l.retry(ctx, "init producer id", func(ctx context.Context) error {
		res, err := l.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
		if err != nil {
			return err
		}
		s = session{int64(res.Producer.ProducerID), int16(res.Producer.ProducerEpoch)}
		return res.Error
	})
	return s, err
}

// Send queues a record and never blocks. done is called exactly once, from the goroutine of the partition, when the record is durable
// (with its offset) or given up; it must not block. Send fails, and done is never called, with ErrQueueFull, ErrTooLarge, ErrClosed, or
// with ErrNotStored while the partition has been failing for some seconds.
func (p *Producer) Send(partition int, r Outgoing, done func(offset int64, err error)) error {
	if partition < 0 || partition >= len(p.parts) {
		return fmt.Errorf("append to %s/%d: no such partition", p.topic, partition)
	}
	if r.size() > maxBatchBytes+(100<<10) {
		return fmt.Errorf("append %d bytes to %s/%d: %w", r.size(), p.topic, partition, ErrTooLarge)
	}
	return p.parts[partition].enqueue(pending{rec: r, done: done, at: time.Now()})
}

// Append queues a record, waiting for room in the queue, and waits until it is durable or given up. When ctx ends first the outcome is
// unknown.
func (p *Producer) Append(ctx context.Context, partition int, r Outgoing) (int64, error) {
	type result struct {
		offset int64
		err    error
	}
	answer := make(chan result, 1)
	for {
		err := p.Send(partition, r, func(offset int64, err error) { answer <- result{offset, err} })
		if err == nil {
			break
		}
		if !errors.Is(err, ErrQueueFull) {
			return 0, err
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return 0, fmt.Errorf("append to %s/%d: %w: %w", p.topic, partition, ErrNotStored, err)
		}
	}
	select {
	case res := <-answer:
		return res.offset, res.err
	case <-ctx.Done():
		return 0, fmt.Errorf("append to %s/%d: %w: %w", p.topic, partition, ErrOutcomeUnknown, ctx.Err())
	}
}

// AppendEvent encodes an event and appends it to its room's partition.
func (p *Producer) AppendEvent(ctx context.Context, e event.Event, timeMS int64) (int64, error) {
	r, err := Encode(e, timeMS)
	if err != nil {
		return 0, err
	}
	return p.Append(ctx, p.log.PartitionOf(e.Room()), r)
}

// Incarnation names the current producer id and epoch, "ID-EPOCH".
func (p *Producer) Incarnation() string {
	s, _ := p.session()
	return s.String()
}

// IncarnationEnded returns a channel that is closed when the current incarnation is given up.
func (p *Producer) IncarnationEnded() <-chan struct{} {
	_, ended := p.session()
	return ended
}

// String returns "ID-EPOCH".
func (s session) String() string { return fmt.Sprintf("%d-%d", s.id, s.epoch) }

func (p *Producer) session() (session, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current, p.ended
}

// renew replaces a session that is spent; another partition may have done so already.
func (p *Producer) renew(ctx context.Context, spent session) error {
	if s, _ := p.session(); s != spent {
		return nil
	}
	next, err := p.log.initProducer(ctx)
	if err != nil {
		return fmt.Errorf("renew producer of %s: %w", p.topic, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == spent {
		p.current = next
		close(p.ended)
		p.ended = make(chan struct{})
	}
	return nil
}

// Close takes no more records, waits until all queued ones are answered, and ends the goroutines. When ctx ends first, the rest is
// answered with ErrNotStored or ErrOutcomeUnknown.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	for _, part := range p.parts {
		part.close()
	}
	idle := make(chan struct{})
	go func() { p.wg.Wait(); close(idle) }()
	defer p.kill()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		p.kill()
		<-idle
		return fmt.Errorf("close producer of %s: %w", p.topic, ctx.Err())
	}
}
