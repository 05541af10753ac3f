package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// hub holds the partitions that are tailed.
type hub struct {
	s     *Server
	mu    sync.Mutex
	parts map[int]*partition
	lost  map[int]int64 // where tails of sessions ended with a fault: the offset that nobody has looked at, by partition
}

// acquire returns the room's partition with its tails open, starting them if need be; give it back with release. It fails when ctx ends
// first, or when the tails cannot be opened.
func (h *hub) acquire(ctx context.Context, roomID string) (*partition, error) {
	number := h.s.klog.PartitionOf(roomID)
	h.mu.Lock()
	p := h.startLocked(number)
	if p == nil {
		h.mu.Unlock()
		return nil, fmt.Errorf("follow partition %d: %w", number, kafkalog.ErrClosed)
	}
	p.refs++
	h.mu.Unlock()
	select {
	case <-p.opened:
	case <-ctx.Done():
		h.release(p)
		return nil, fmt.Errorf("follow partition %d: %w", number, ctx.Err())
	}
	p.mu.Lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		h.release(p)
		return nil, fmt.Errorf("follow partition %d: %w", number, err)
	}
	return p, nil
}

// startLocked returns the partition, started if need be; nil when the gateway has stopped.
func (h *hub) startLocked(number int) *partition {
	if p := h.parts[number]; p != nil {
		return p
	}
	p := &partition{
		s: h.s, number: number, opened: make(chan struct{}), rooms: map[string]*room{}, idleSince: time.Now(),
		chat:     newStream(event.Chat, number, h.s.chat),
		sessions: newStream(event.Sessions, number, h.s.sessions),
		from:     kafkalog.End,
	}
	if at, ok := h.lost[number]; ok {
		p.from = at
	}
	run, cancel := context.WithCancelCause(h.s.base)
	p.cancel = cancel
	if !h.s.spawn(func() { defer cancel(nil); p.run(run) }) {
		cancel(nil)
		return nil
	}
	h.parts[number] = p
	return p
}

// mend starts partitions anew whose tails ended with a fault, so that sessions that began unseen meanwhile are ended. It is called once a
// second.
func (h *hub) mend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for number := range h.lost {
		h.startLocked(number)
	}
}

// follows tells that the tail of sessions of a partition goes on from where the one before ended.
func (h *hub) follows(number int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lost, number)
}

// lose remembers that nobody has looked at the sessions of a partition from an offset on.
func (h *hub) lose(number int, offset int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost[number] = offset
}

// release gives a partition back; its tails go on for a while.
func (h *hub) release(p *partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.refs--; p.refs == 0 {
		p.idleSince = time.Now()
	}
}

func (h *hub) remove(p *partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts[p.number] == p {
		delete(h.parts, p.number)
	}
}

// all returns the partitions of the moment.
func (h *hub) all() []*partition {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]*partition, 0, len(h.parts))
	for _, p := range h.parts {
		out = append(out, p)
	}
	return out
}

// find returns the partition of a room if it is tailed.
func (h *hub) find(room string) *partition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.parts[h.s.klog.PartitionOf(room)]
}

// expire ends the tails of partitions that nobody has needed for a while.
func (h *hub) expire(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for number, p := range h.parts {
		if p.refs == 0 && now.Sub(p.idleSince) > tailLinger {
			delete(h.parts, number)
			p.cancel(nil)
		}
	}
}

// stop ends all tails.
func (h *hub) stop() {
	for _, p := range h.all() {
		p.cancel(nil)
	}
}
