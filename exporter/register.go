package exporter

import (
	"context"
	"encoding/json"
	"sync"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// register is the exporter's view of the topic control: where streams began, and demands for a sync.
type register struct {
	table *kafkalog.Table

	mu     sync.Mutex
	starts map[string]event.StreamStart
	demand int64 // newest requested_at, Unix milliseconds
	asked  chan struct{}
}

func openRegister(l *kafkalog.Log) *register {
	r := &register{starts: map[string]event.StreamStart{}, asked: make(chan struct{})}
	r.table = l.OpenTable(event.Control, r.apply)
	return r
}

func (r *register) run(ctx context.Context) error { return r.table.Run(ctx) }

func (r *register) ready(ctx context.Context) error {
	select {
	case <-r.table.Ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp waits until everything that is in control now has been applied.
func (r *register) catchUp(ctx context.Context, l *kafkalog.Log) error {
	_, end, err := l.Offsets(ctx, event.Control, 0)
	if err != nil || end == 0 {
		return err
	}
	return r.table.WaitFor(ctx, 0, end-1)
}

func (r *register) apply(rec kafkalog.Record) {
	if rec.Value == nil {
		return
	}
	key := string(rec.Key)
	if key == event.SyncNowKey {
		var v event.SyncRequest
		if json.Unmarshal(rec.Value, &v) == nil {
			r.request(v.RequestedAtMS)
		}
		return
	}
	var v event.StreamStart
	if len(key) > 6 && key[:6] == "start|" && json.Unmarshal(rec.Value, &v) == nil {
		r.mu.Lock()
		r.starts[key] = v
		r.mu.Unlock()
	}
}

func (r *register) request(ms int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ms > r.demand {
		r.demand = ms
		close(r.asked)
		r.asked = make(chan struct{})
	}
}

// requested returns the newest demand and a channel that is closed with the next one.
func (r *register) requested() (ms int64, next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.demand, r.asked
}

// start returns where a stream began in a partition; ok is false for one that never did.
func (r *register) start(s Stream, partition int) (event.StreamStart, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.starts[event.StreamStartKey(string(s), partition)]
	return v, ok
}
