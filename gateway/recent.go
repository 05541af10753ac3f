package gateway

import (
	"context"
	"errors"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// Bounds of what a partition keeps for rooms that are entered later, also after a restart.
const (
	recentRecords = 4096
	recentBytes   = 4 << 20
)

// recent holds the newest records of a partition, of all its rooms, without a hole above floor.
type recent struct {
	most    int // bytes
	floor   uint64
	entries []kafkalog.Entry
	bytes   int
}

func (x *recent) add(e *kafkalog.Entry) {
	if e.Duplicate || e.Event == nil {
		return
	}
	x.bytes += len(e.Value)
	x.entries = append(x.entries, *e)
	drop := 0
	for x.bytes > x.most || len(x.entries)-drop > recentRecords {
		x.floor = x.entries[drop].Seq
		x.bytes -= len(x.entries[drop].Value)
		x.entries[drop] = kafkalog.Entry{}
		drop++
	}
	x.entries = x.entries[drop:]
}

// seed gives a room that is entered what is held of it.
func (x *recent) seed(r *room) {
	r.ring.begin(x.floor, &r.part.s.memory)
	for i := range x.entries {
		e := &x.entries[i]
		if string(e.Key) != r.id {
			continue
		}
		if frame, ok := encodeEntry(e, r.last); ok {
			r.last, r.lastActivity = e.Seq, e.CreatedAt
			r.ring.add(e.Seq, frame)
		}
	}
}

// after returns the records of a room above seq as members see them, oldest first; ok is false if some of them are not here any more. The
// first one's prev_seq is 0, not known.
func (x *recent) after(roomID string, seq uint64) (frames []shown, ok bool) {
	if seq < x.floor {
		return nil, false
	}
	prev := uint64(0)
	for i := range x.entries {
		e := &x.entries[i]
		if e.Seq <= seq || string(e.Key) != roomID {
			continue
		}
		if frame, ok := encodeEntry(e, prev); ok {
			prev = e.Seq
			frames = append(frames, shown{e.Seq, frame})
		}
	}
	return frames, true
}

// openChat opens the tail of the chat log and reads the newest records, so that members who come back after a restart miss nothing.
func (p *partition) openChat(ctx context.Context) (*kafkalog.Tail, error) {
	start, end, err := p.s.klog.Offsets(ctx, event.Chat, p.number)
	if err != nil {
		return nil, err
	}
	from := max(start, end-recentRecords)
	tail, err := p.s.klog.OpenTail(ctx, event.Chat, p.number, from)
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		from = min(gone.To, end)
		tail, err = p.s.klog.OpenTail(ctx, event.Chat, p.number, from)
	}
	if err != nil {
		return nil, err
	}
	p.recent.floor, p.recent.most = p.s.seqBefore(from), min(recentBytes, recentTotal/p.s.klog.Meta().Partitions)
	for tail.Position() < end {
		entries, err := tail.Next(ctx)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			p.recent.add(&entries[i])
		}
	}
	return tail, nil
}
