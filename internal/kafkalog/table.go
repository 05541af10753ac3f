package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"splitsync/event"
)

// idlePolls is how many long polls in a row must bring no records before a position below the end counts as the end: what lies between
// was compacted away.
const idlePolls = 2

// Table follows a compacted topic: it applies every record, in the order of its partition, from the beginning on.
type Table struct {
	log   *Log
	topic event.Topic
	apply func(Record)
	ready chan struct{}

	mu      sync.Mutex
	applied []int64       // next offset a partition
	behind  int           // partitions that have not reached the end of the start
	changed chan struct{} // closed and replaced whenever something was applied
}

// OpenTable returns a table; Run does the work. apply must not block; a nil Value means that the key was deleted. The log must have been
// checked before.
func (l *Log) OpenTable(topic event.Topic, apply func(Record)) *Table {
	n := l.PartitionsOf(topic)
	return &Table{log: l, topic: topic, apply: apply, ready: make(chan struct{}), applied: make([]int64, n), behind: n, changed: make(chan struct{})}
}

// Run follows the topic until ctx ends, and then returns nil. apply is called from one goroutine at a time.
func (t *Table) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for p := range t.applied {
		group.Go(func() error { return t.follow(ctx, p) })
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (t *Table) follow(ctx context.Context, partition int) error {
	_, end, err := t.log.Offsets(ctx, t.topic, partition)
	if err != nil {
		return err
	}
	r := t.log.OpenReader(t.topic, partition, Start)
	caughtUp := false
	idle := 0 // polls in a row without records
	for {
		records, err := r.Poll(ctx)
		var gone *OvertakenError
		switch {
		case errors.As(err, &gone): // compaction with retention: what is gone is void
			r = t.log.OpenReader(t.topic, partition, gone.To)
			continue
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("follow %s: %w", t.topic, err)
		}
		t.mu.Lock()
		for i := range records {
			t.apply(records[i])
		}
		t.applied[partition] = r.Position()
		if idle++; len(records) > 0 {
			idle = 0
		}
		if !caughtUp && (r.Position() >= end || idle >= idlePolls) {
			caughtUp = true
			if t.behind--; t.behind == 0 {
				close(t.ready)
			}
		}
		if len(records) > 0 {
			close(t.changed)
			t.changed = make(chan struct{})
		}
		t.mu.Unlock()
	}
}

// Ready returns a channel that is closed once everything that was in the topic when Run began has been applied.
func (t *Table) Ready() <-chan struct{} { return t.ready }

// WaitFor waits until the record at an offset has been applied, or ctx ends.
func (t *Table) WaitFor(ctx context.Context, partition int, offset int64) error {
	for {
		t.mu.Lock()
		done, changed := t.applied[partition] > offset, t.changed
		t.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s/%d at %d: %w", t.topic, partition, offset, ctx.Err())
		}
	}
}
