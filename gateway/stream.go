package gateway

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

const (
	answerWithin = 29 * time.Second // a command's reply comes within 30 s
	maxInFlight  = 65536            // appends without an outcome, a partition
	maxSeen      = 65536            // facts that are kept for answers that come after the tail
)

// stream is one partition of chat or sessions as this gateway writes and reads it: an append has succeeded when the log has answered and
// the tail has read it back.
type stream struct {
	topic    event.Topic
	number   int
	producer *kafkalog.Producer
	created  atomic.Int64 // running maximum of the record times that the tail has seen, Unix ms

	mu      sync.Mutex
	next    int64             // offset that the tail reads next
	flight  []*flight         // in the order in which they were sent; ended ones at the front are dropped
	blind   bool              // nothing is read back any more
	open    int               // of flight, those without an outcome
	waiting map[int64]*flight // answered, not yet read back
	seen    []sighting        // ascending offsets, those that an answer may still name
	resolve func(landing)     // looks up the first record of a duplicate that the window no longer tells
}

// sighting is what the tail told of one offset.
type sighting struct {
	offset int64
	entry  kafkalog.Entry
}

// landing is an append that is durable and was read back.
type landing struct {
	f *flight
	s sighting
}

// flight is an append that has no outcome yet.
type flight struct {
	done  func(kafkalog.Facts, error)
	at    time.Time
	from  int64 // the record's offset is at least this
	ended bool  // done was called
}

func newStream(topic event.Topic, number int, producer *kafkalog.Producer) *stream {
	return &stream{topic: topic, number: number, producer: producer, waiting: map[int64]*flight{}}
}

// send appends e, stamped so that its time does not go back. done is called once, within 30 s, if and only if send returns nil; it must not
// block. Its facts are those that every reader has; of a duplicate, First* tells the record that counts. Errors are those of
// kafkalog.Producer.Send.
func (st *stream) send(e event.Event, done func(kafkalog.Facts, error)) error {
	out, err := kafkalog.Encode(e, max(time.Now().UnixMilli(), st.created.Load()))
	if err != nil {
		return err
	}
	f := &flight{done: done, at: time.Now()}
	if err := st.begin(f); err != nil {
		return fmt.Errorf("append to %s/%d: %w", st.topic, st.number, err)
	}
	err = st.producer.Send(st.number, out, func(offset int64, err error) { st.answered(f, offset, err) })
	if err != nil {
		st.end(f)
	}
	return err
}

// append is send for callers that can wait; the error is ErrOutcomeUnknown when ctx ends first.
func (st *stream) append(ctx context.Context, e event.Event) (kafkalog.Entry, error) {
	type outcome struct {
		facts kafkalog.Facts
		err   error
	}
	answer := make(chan outcome, 1)
	if err := st.send(e, func(f kafkalog.Facts, err error) { answer <- outcome{f, err} }); err != nil {
		return kafkalog.Entry{}, err
	}
	select {
	case o := <-answer:
		return kafkalog.Entry{Facts: o.facts, Event: e}, o.err
	case <-ctx.Done():
		return kafkalog.Entry{}, fmt.Errorf("append %s: %w: %w", e.Kind(), kafkalog.ErrOutcomeUnknown, ctx.Err())
	}
}

func (st *stream) begin(f *flight) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.blind:
		return kafkalog.ErrNotStored
	case st.open >= maxInFlight:
		return kafkalog.ErrQueueFull
	}
	f.from = st.next
	st.open++
	st.flight = append(st.flight, f)
	return nil
}

// end marks a flight as done with and tells whether it was not before.
func (st *stream) end(f *flight) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.endLocked(f)
}

func (st *stream) endLocked(f *flight) bool {
	if f.ended {
		return false
	}
	f.ended = true
	st.open--
	n := 0
	for n < len(st.flight) && st.flight[n].ended {
		st.flight[n] = nil
		n++
	}
	if st.flight = st.flight[n:]; len(st.flight) == 0 {
		st.flight, st.seen = nil, nil
		return true
	}
	keep := sort.Search(len(st.seen), func(i int) bool { return st.seen[i].offset >= st.flight[0].from })
	clear(st.seen[:keep])
	st.seen = st.seen[keep:]
	return true
}

// answered is called by the producer when the record is durable or given up.
func (st *stream) answered(f *flight, offset int64, err error) {
	if err != nil {
		if st.end(f) {
			f.done(kafkalog.Facts{}, err)
		}
		return
	}
	st.mu.Lock()
	if f.ended {
		st.mu.Unlock()
		return
	}
	if offset >= st.next {
		st.waiting[offset] = f
		st.mu.Unlock()
		return
	}
	i := sort.Search(len(st.seen), func(i int) bool { return st.seen[i].offset >= offset })
	var s sighting
	known := i < len(st.seen) && st.seen[i].offset == offset
	if known {
		s = st.seen[i]
	}
	st.mu.Unlock()
	if !known {
		st.settle(f, kafkalog.Facts{}, fmt.Errorf("offset %d of %s/%d: %w", offset, st.topic, st.number, kafkalog.ErrOutcomeUnknown))
		return
	}
	st.land(landing{f, s})
}

// observe takes what the tail has read, after it was shown to the members.
func (st *stream) observe(entries []kafkalog.Entry) {
	var landed []landing
	st.mu.Lock()
	for i := range entries {
		s := sighting{entries[i].Offset, entries[i]}
		if f := st.waiting[s.offset]; f != nil {
			delete(st.waiting, s.offset)
			landed = append(landed, landing{f, s})
		} else if st.open > len(st.waiting) {
			s.entry.Event, s.entry.Value = nil, nil
			st.seen = append(st.seen, s)
		}
	}
	if over := len(st.seen) - maxSeen; over > 0 {
		st.seen = append([]sighting(nil), st.seen[over:]...)
	}
	st.next = entries[len(entries)-1].Offset + 1
	st.mu.Unlock()
	for _, l := range landed {
		st.land(l)
	}
}

func (st *stream) land(l landing) {
	if !l.s.entry.FirstKnown {
		st.resolve(l)
		return
	}
	st.settle(l.f, l.s.entry.Facts, nil)
}

func (st *stream) settle(f *flight, facts kafkalog.Facts, err error) {
	if st.end(f) {
		f.done(facts, err)
	}
}

// sweep gives up appends whose reply is due; all = whatever their age, and none is begun any more.
func (st *stream) sweep(now time.Time, all bool) {
	var late []*flight
	st.mu.Lock()
	st.blind = st.blind || all
	for _, f := range st.flight {
		if !all && now.Sub(f.at) < answerWithin {
			break
		}
		if !f.ended {
			late = append(late, f)
		}
	}
	for offset, f := range st.waiting {
		if all || now.Sub(f.at) >= answerWithin {
			delete(st.waiting, offset)
		}
	}
	st.mu.Unlock()
	for _, f := range late {
		st.settle(f, kafkalog.Facts{}, fmt.Errorf("append to %s/%d: %w", st.topic, st.number, kafkalog.ErrOutcomeUnknown))
	}
}

// inFlight returns how many appends have no outcome.
func (st *stream) inFlight() int {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.open
}
