package ingest

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// finishTime is how long an insert or commit that runs when the generation ends may go on: to give it up would only make it be repeated.
const finishTime = 3 * time.Second

// inserter merges the batches of all partitions into blocks, stores them one after the other, and commits what is stored.
type inserter struct {
	s         *Server
	g         *kafkalog.Generation
	in        <-chan batch
	budget    *budget
	projector *projector

	good    *history.Block // a row that was stored last
	commits map[slot]int64 // stored, not committed yet
	ends    map[slot]int64 // the ends of the partitions as last seen, for the lag
}

// run stores blocks until ctx ends.
func (w *inserter) run(ctx context.Context) error {
	for {
		b, ok := w.collect(ctx)
		if !ok {
			return nil
		}
		if err := w.store(ctx, b); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		maps.Copy(w.commits, b.next)
		maps.Copy(w.ends, b.ends)
		w.commit(ctx)
		w.budget.give(b.bytes)
		b.count(&w.s.metrics)
	}
}

// collect waits for a batch and adds what comes until the block is full or old enough. Meanwhile it repeats a commit that did not work. ok is
// false when ctx has ended.
func (w *inserter) collect(ctx context.Context) (b *block, ok bool) {
	b = newBlock()
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for b.empty() {
		select {
		case <-ctx.Done():
			return nil, false
		case <-retry.C:
			w.commit(ctx)
		case in := <-w.in:
			b.add(in)
		}
	}
	old := time.NewTimer(time.Duration(w.s.cfg.FlushIntervalMS) * time.Millisecond)
	defer old.Stop()
	for b.rows() < w.s.cfg.BlockRows && b.bytes < w.s.cfg.BlockBytes {
		select {
		case <-ctx.Done():
			return nil, false
		case <-old.C:
			return b, true
		case in := <-w.in:
			b.add(in)
		}
	}
	return b, true
}

// store makes everything of a block durable: dead letters, rows, registers. It tries until ctx ends.
func (w *inserter) store(ctx context.Context, b *block) error {
	if err := w.s.bury(ctx, b.dead); err != nil {
		return err
	}
	stats, err := w.projector.fold(ctx, b.entries)
	if err != nil {
		return err
	}
	b.Rooms = append(b.Rooms, stats...)
	began := time.Now()
	if err := w.insert(ctx, b); err != nil {
		return err
	}
	w.s.metrics.InsertTime.Observe(time.Since(began).Seconds())
	return w.s.repair(ctx, b.entries)
}

// commit stores the positions behind what is stored. It is a hint for the next owner: when it does not work, the next one carries it too.
func (w *inserter) commit(ctx context.Context) {
	if len(w.commits) == 0 || !w.g.Live() {
		return
	}
	ctx, cancel := linger(ctx, finishTime)
	defer cancel()
	out := make([]kafkalog.Commit, 0, len(w.commits))
	for at, offset := range w.commits {
		out = append(out, kafkalog.Commit{Topic: at.topic, Partition: at.partition, Offset: offset})
	}
	if err := w.g.Commit(ctx, out...); err != nil {
		w.s.metrics.Retries.WithLabelValues("commit").Inc()
		if !errors.Is(err, kafkalog.ErrLeaseExpired) {
			w.s.throttle.Warn("commit", "commit did not work, the next one carries it", "error", err.Error())
		}
		return
	}
	for at, offset := range w.commits {
		w.s.metrics.Lag.WithLabelValues(string(at.topic), strconv.Itoa(at.partition)).Set(float64(max(0, w.ends[at]-offset)))
	}
	clear(w.commits)
}

// linger returns a context that ends d after ctx.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return out, func() { stop(); cancel() }
}
