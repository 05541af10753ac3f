package ingest

import (
	"context"
	"errors"
	"fmt"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// fetcher reads one partition from its commit on and hands over what has to be stored, in log order.
type fetcher struct {
	s      *Server
	slot   slot
	from   int64 // offset, or kafkalog.Start
	budget *budget
	out    chan<- batch
}

// run reads until ctx ends. The tail that it leaves behind serves the next generation if everything that it read was committed by then.
func (f *fetcher) run(ctx context.Context) error {
	tail, err := f.open(ctx, f.from)
	for err == nil {
		err = f.step(ctx, tail)
		var gone *kafkalog.OvertakenError
		if errors.As(err, &gone) {
			tail, err = f.skip(ctx, gone)
		}
	}
	if ctx.Err() != nil {
		f.s.keepTail(f.slot, tail)
		return nil
	}
	return fmt.Errorf("read %s: %w", f.slot, err)
}

// open returns a tail at an offset: the kept one, with its dedupe window, if it stands just there.
func (f *fetcher) open(ctx context.Context, from int64) (*kafkalog.Tail, error) {
	if tail := f.s.takeTail(f.slot); tail != nil && tail.Position() == from {
		return tail, nil
	}
	tail, err := f.s.log.OpenTail(ctx, f.slot.topic, f.slot.partition, from)
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		return f.skip(ctx, gone)
	}
	return tail, err
}

// skip goes on behind a range that retention deleted, and has the commit pass it. The range is recorded before, durably.
func (f *fetcher) skip(ctx context.Context, gone *kafkalog.OvertakenError) (*kafkalog.Tail, error) {
	for {
		if err := f.s.recordGap(ctx, gone); err != nil {
			return nil, err
		}
		tail, err := f.s.log.OpenTail(ctx, f.slot.topic, f.slot.partition, gone.To)
		if errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return tail, f.hand(ctx, batch{slot: f.slot, next: tail.Position(), end: tail.Position()})
	}
}

// step fetches once, waiting for records and for room in the budget, and hands over.
func (f *fetcher) step(ctx context.Context, tail *kafkalog.Tail) error {
	if err := f.budget.wait(ctx); err != nil {
		return err
	}
	entries, err := tail.Next(ctx)
	if err != nil {
		return err
	}
	b := newBatch(f.slot, entries, f.s.log.PartitionOf)
	b.next, b.end = tail.Position(), tail.HighWatermark()
	return f.hand(ctx, b)
}

// hand gives a batch to the inserter.
func (f *fetcher) hand(ctx context.Context, b batch) error {
	f.budget.take(b.bytes)
	select {
	case f.out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// recordGap tells of a range that retention deleted before it was read: an alarm, counters, and a durable letter that names it.
func (s *Server) recordGap(ctx context.Context, gone *kafkalog.OvertakenError) error {
	s.logger.Error("retention overtook ingest, records are lost", "topic", gone.Topic, "partition", gone.Partition,
		"from_offset", gone.From, "to_offset", gone.To)
	if gone.From >= 0 {
		s.metrics.Overtaken.Add(float64(gone.To - gone.From))
	}
	l, err := gapLetter(gone)
	if err != nil {
		return err
	}
	return s.bury(ctx, []letter{l})
}

// takeTail returns the tail that an earlier generation left for the partition, nil if there is none.
func (s *Server) takeTail(at slot) *kafkalog.Tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	tail := s.tails[at]
	delete(s.tails, at)
	return tail
}

func (s *Server) keepTail(at slot, tail *kafkalog.Tail) {
	if tail == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tails[at] = tail
}

// topics are what ingest stores. event.Imports takes its place here once its rows are defined.
func topics() []event.Topic { return []event.Topic{event.Chat, event.Sessions} }
