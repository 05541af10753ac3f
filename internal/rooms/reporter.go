package rooms

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// countEvery bounds how often a room's member count is written.
const countEvery = time.Second

// Reporter writes to the topic gateways: the heartbeats and member counts of one gateway, or the probes of a reaper. It is safe for
// concurrent use.
type Reporter struct {
	producer *kafkalog.Producer
	onError  func(error)

	mu          sync.Mutex
	incarnation string
	counts      map[string]int // current, rooms with members only
	written     map[string]int // as they stand in the log under the incarnation
}

// OpenReporter gets a producer; Close gives it back. onError is told of every record that was not written (they are written again at the
// next turn); it must not block. ctx bounds only the start.
func OpenReporter(ctx context.Context, l *kafkalog.Log, onError func(error)) (*Reporter, error) {
	p, err := l.NewProducer(ctx, event.Gateways)
	if err != nil {
		return nil, fmt.Errorf("open reporter of gateways: %w", err)
	}
	return &Reporter{producer: p, onError: onError, counts: map[string]int{}, written: map[string]int{}}, nil
}

// Begin makes id the incarnation that Run reports. The counts start from nothing; keys of an incarnation before it are left to expire,
// because the reaper decides about its sessions.
func (r *Reporter) Begin(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.incarnation, r.counts, r.written = id, map[string]int{}, map[string]int{}
}

// Set tells how many members a room has on this gateway.
func (r *Reporter) Set(room string, members int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if members > 0 {
		r.counts[room] = members
	} else {
		delete(r.counts, room)
	}
}

// Run writes a heartbeat every 2 s and counts that changed once a second, until ctx ends. Nothing is written before Begin.
func (r *Reporter) Run(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	var beat time.Time
	for {
		if now := time.Now(); now.Sub(beat) >= HeartbeatEvery-countEvery/2 {
			beat = now
			r.beat(now)
		}
		r.flush()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Reporter) beat(now time.Time) {
	r.mu.Lock()
	id, members := r.incarnation, 0
	for _, n := range r.counts {
		members += n
	}
	r.mu.Unlock()
	if id != "" {
		r.send(id, event.Heartbeat{AtMS: now.UnixMilli(), Members: members}, nil)
	}
}

// flush writes the counts that differ from what is in the log; a room without members gets a tombstone.
func (r *Reporter) flush() {
	r.mu.Lock()
	id := r.incarnation
	if id == "" {
		r.mu.Unlock()
		return
	}
	changes := map[string]int{}
	for room, n := range r.counts {
		if r.written[room] != n {
			changes[room] = n
		}
	}
	for room := range r.written {
		if r.counts[room] == 0 {
			changes[room] = 0
		}
	}
	r.written = maps.Clone(r.counts)
	r.mu.Unlock()
	for room, n := range changes {
		failed := func() { r.forget(id, room) }
		if n == 0 {
			r.send(id+"|"+room, nil, failed)
		} else {
			r.send(id+"|"+room, event.MemberCount{Count: n}, failed)
		}
	}
}

// forget makes the next flush write the room's count again.
func (r *Reporter) forget(id, room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.incarnation {
		r.written[room] = -1
	}
}

// send queues a record without waiting for it; value nil is a tombstone.
func (r *Reporter) send(key string, value any, failed func()) {
	rec := kafkalog.Outgoing{Key: []byte(key)}
	var err error
	if value != nil {
		rec.Value, err = event.Marshal(value)
	}
	done := func(_ int64, err error) {
		if err == nil {
			return
		}
		if failed != nil {
			failed()
		}
		r.onError(err)
	}
	if err == nil {
		err = r.producer.Send(0, rec, done)
	}
	if err != nil {
		done(0, err)
	}
}

// Probe appends a reaper's probe for p and waits until it is durable. See Presence.Silence.
func (r *Reporter) Probe(ctx context.Context, p *Presence) error {
	value, err := event.Marshal(event.Heartbeat{AtMS: time.Now().UnixMilli()})
	if err != nil {
		return err
	}
	_, err = r.producer.Append(ctx, 0, kafkalog.Outgoing{Key: []byte(p.ProbeKey()), Value: value})
	return err
}

// End writes the tombstone of the incarnation and returns when it is durable: its gateway has ended all its sessions by itself. Those of
// its rooms follow without a wait, for they only save space. Nothing is reported from then on.
func (r *Reporter) End(ctx context.Context) error {
	r.mu.Lock()
	id, written := r.incarnation, r.written
	r.incarnation, r.counts, r.written = "", map[string]int{}, map[string]int{}
	r.mu.Unlock()
	if id == "" {
		return nil
	}
	if _, err := r.producer.Append(ctx, 0, kafkalog.Outgoing{Key: []byte(id)}); err != nil {
		return fmt.Errorf("end incarnation %s: %w", id, err)
	}
	for room := range written {
		r.send(id+"|"+room, nil, nil)
	}
	return nil
}

// Close flushes and ends the producer; when ctx ends first, what is queued is given up.
func (r *Reporter) Close(ctx context.Context) error { return r.producer.Close(ctx) }
