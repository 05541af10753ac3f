package kafkalog

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/google/uuid"
)

// Facts are what every reader of the log agrees on about a record, whoever it is and wherever it started.
type Facts struct {
	Seq       uint64    // epoch << 48 | offset: below 2^53, grows with the offset
	MessageID uuid.UUID // UUIDv8 of CreatedAt, epoch, partition and offset: sorts by time
	CreatedAt int64     // Unix milliseconds: the running maximum of the record times of the partition

	Duplicate      bool // an earlier record of the dedupe window has the same key
	FirstKnown     bool // for a duplicate: the three below are those of the first record of its chain
	FirstSeq       uint64
	FirstMessageID uuid.UUID
	FirstCreatedAt int64
}

// SeqOf returns the seq of an offset.
func (m Meta) SeqOf(offset int64) uint64 { return uint64(m.Epoch)<<48 | uint64(offset) }

// OffsetOf returns the offset of a seq, and false if the seq is of another epoch.
func (m Meta) OffsetOf(seq uint64) (int64, bool) {
	return int64(seq & (1<<48 - 1)), seq>>48 == uint64(m.Epoch)
}

// MessageID returns the identity of a record: 48 bits of time, the epoch, then partition and offset.
func (m Meta) MessageID(createdAt int64, partition int, offset int64) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(createdAt)<<16|0x8000|uint64(m.Epoch)&0x0fff)
	binary.BigEndian.PutUint64(id[8:], 0x8000000000000000|uint64(partition)&0x3fff<<48|uint64(offset)&(1<<48-1))
	return id
}

// reckoner computes the facts of the records of one partition, which it must see in offset order.
type reckoner struct {
	meta      Meta
	partition int
	createdAt int64 // running maximum
	window    window
}

func newReckoner(m Meta, partition int) *reckoner {
	return &reckoner{meta: m, partition: partition, window: newWindow(m.Window)}
}

func (k *reckoner) next(r *Record) Facts {
	k.createdAt = max(k.createdAt, r.Time)
	f := Facts{
		Seq:       k.meta.SeqOf(r.Offset),
		MessageID: k.meta.MessageID(k.createdAt, k.partition, r.Offset),
		CreatedAt: k.createdAt,
	}
	f.FirstKnown, f.FirstSeq, f.FirstMessageID, f.FirstCreatedAt = true, f.Seq, f.MessageID, f.CreatedAt
	key := r.Header(HeaderDedupe)
	if len(key) == 0 {
		return f
	}
	seen, duplicate := k.window.note(r.Key, key, r.Offset, k.createdAt)
	if duplicate {
		f.Duplicate, f.FirstKnown = true, seen.firstKnown
		f.FirstSeq = k.meta.SeqOf(seen.firstOffset)
		f.FirstCreatedAt = seen.firstCreatedAt
		f.FirstMessageID = k.meta.MessageID(seen.firstCreatedAt, k.partition, seen.firstOffset)
	}
	return f
}

// window remembers the dedupe keys of the last records of a partition, within both bounds.
type window struct {
	millis  int64
	records int64
	seeds   [2]maphash.Seed // 128 secret bits: nobody can choose keys that collide
	latest  map[hash]sighting
	order   []aged // oldest first, from head on
	head    int
	whole   bool  // everything before start lies outside every window that matters, or does not exist
	start   int64 // offset of the first record seen
	startAt int64 // its created_at
}

type hash [2]uint64

type sighting struct {
	offset, createdAt           int64
	firstOffset, firstCreatedAt int64
	firstKnown                  bool
}

type aged struct {
	key               hash
	offset, createdAt int64
}

func newWindow(w Window) window {
	return window{
		millis: int64(w.Seconds) * 1000, records: w.Records,
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, latest: map[hash]sighting{}, start: -1,
	}
}

// note remembers a record and tells whether it is a duplicate, and of what.
func (w *window) note(room, key []byte, offset, createdAt int64) (sighting, bool) {
	w.forget(offset, createdAt)
	h := w.hash(room, key)
	now := sighting{offset: offset, createdAt: createdAt, firstOffset: offset, firstCreatedAt: createdAt}
	earlier, duplicate := w.latest[h]
	if duplicate {
		now.firstOffset, now.firstCreatedAt, now.firstKnown = earlier.firstOffset, earlier.firstCreatedAt, earlier.firstKnown
	} else {
		now.firstKnown = w.whole || offset-w.start > w.records || createdAt-w.startAt > w.millis
	}
	w.latest[h] = now
	w.order = append(w.order, aged{h, offset, createdAt})
	return now, duplicate
}

// begin tells where the records that note will see begin. whole = nothing before them matters.
func (w *window) begin(offset, createdAt int64, whole bool) {
	w.start, w.startAt, w.whole = offset, createdAt, whole
}

// forget drops what lies outside the window of a record at offset and createdAt.
func (w *window) forget(offset, createdAt int64) {
	for w.head < len(w.order) {
		old := &w.order[w.head]
		if offset-old.offset <= w.records && createdAt-old.createdAt <= w.millis {
			break
		}
		if s, ok := w.latest[old.key]; ok && s.offset == old.offset {
			delete(w.latest, old.key)
		}
		w.head++
	}
	if w.head > 1024 && w.head > len(w.order)/2 {
		w.order = append(w.order[:0], w.order[w.head:]...)
		w.head = 0
	}
}

func (w *window) hash(room, key []byte) hash {
	var h hash
	for i := range h {
		var m maphash.Hash
		m.SetSeed(w.seeds[i])
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(room)))
		_, _ = m.Write(n[:])
		_, _ = m.Write(room)
		_, _ = m.Write(key)
		h[i] = m.Sum64()
	}
	return h
}
