package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"splitsync/internal/kafkalog"
)

// resolver looks up the first records of duplicates that the window of a tail does not tell, as happens after a start, when many clients
// retry what they had no ack for. One reading of the log, at a time, serves all that have gathered; they are bounded by the appends in flight.
type resolver struct {
	s     *Server
	st    *stream
	facts func(context.Context, []kafkalog.Entry) ([]kafkalog.Facts, error) // of entries in ascending order

	mu      sync.Mutex
	waiting []landing
	running bool
}

// add looks up one more. It does not block.
func (r *resolver) add(ctx context.Context, l landing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, l)
	if !r.running {
		r.running = r.s.spawn(func() { r.run(ctx) }) // else sweep gives them up
	}
}

func (r *resolver) run(ctx context.Context) {
	for {
		batch := r.take()
		if batch == nil {
			return
		}
		entries := make([]kafkalog.Entry, len(batch))
		for i := range batch {
			entries[i] = batch[i].s.entry
		}
		facts, err := r.facts(ctx, entries)
		for i, l := range batch {
			if err != nil {
				r.st.settle(l.f, kafkalog.Facts{}, fmt.Errorf("%w: %w", kafkalog.ErrOutcomeUnknown, err))
			} else {
				r.st.settle(l.f, facts[i], nil)
			}
		}
	}
}

// take returns what has gathered, or nil, and then the resolver runs no more.
func (r *resolver) take() []landing {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.waiting
	r.waiting = nil
	if r.running = len(batch) > 0; !r.running {
		return nil
	}
	slices.SortFunc(batch, func(a, b landing) int { return cmp.Compare(a.s.offset, b.s.offset) })
	return batch
}
