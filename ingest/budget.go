package ingest

import (
	"context"
	"sync"
)

// budget bounds the bytes between the fetch and the commit, over all partitions. Its reaction when full: fetching stops.
type budget struct {
	limit int64
	show  func(used float64)

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed and replaced whenever bytes were given back
}

func newBudget(limit int64, show func(used float64)) *budget {
	return &budget{limit: limit, show: show, freed: make(chan struct{})}
}

// wait returns when there is room, or with ctx's error. One fetch a partition may then exceed the limit: its size is known only after it.
func (b *budget) wait(ctx context.Context) error {
	for {
		b.mu.Lock()
		full, freed := b.used >= b.limit, b.freed
		b.mu.Unlock()
		if !full {
			return ctx.Err()
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *budget) take(n int) { b.add(int64(n)) }

func (b *budget) give(n int) {
	b.add(-int64(n))
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.freed)
	b.freed = make(chan struct{})
}

func (b *budget) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	b.show(float64(b.used))
}

// reset gives back everything: what was read and not committed has been thrown away.
func (b *budget) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = 0
	b.show(0)
}
