package ingest

import (
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// block is what is stored at once: batches of many partitions, in the order in which they came.
type block struct {
	history.Block
	entries []kafkalog.Entry
	dead    []letter
	next    map[slot]int64 // positions to be committed when all of it is durable
	ends    map[slot]int64
	bytes   int
	wire    int
	fates   map[string]int // records by what became of them
	batches int
}

func newBlock() *block {
	return &block{next: map[slot]int64{}, ends: map[slot]int64{}, fates: map[string]int{}}
}

func (b *block) empty() bool { return b.batches == 0 }

// rows is the size that INGEST_BLOCK_ROWS bounds; records without a row count too, so that a block of duplicates ends.
func (b *block) rows() int {
	n := 0
	for _, records := range b.fates {
		n += records
	}
	return n
}

func (b *block) add(in batch) {
	b.batches++
	b.Messages = append(b.Messages, in.Messages...)
	b.Sessions = append(b.Sessions, in.Sessions...)
	b.Rooms = append(b.Rooms, in.Rooms...)
	b.entries = append(b.entries, in.entries...)
	b.dead = append(b.dead, in.dead...)
	b.next[in.slot], b.ends[in.slot] = in.next, in.end
	b.bytes += in.bytes
	b.wire += in.wire
	for fate, n := range map[string]int{
		"duplicate": in.duplicates, "other": in.others, "dead": len(in.dead),
		"stored": in.records - in.duplicates - in.others - len(in.dead),
	} {
		b.fates[fate] += n
	}
}

// count adds a committed block to the figures.
func (b *block) count(m *Metrics) {
	m.Blocks.Inc()
	m.Bytes.Add(float64(b.wire))
	m.BlockRows.Observe(float64(b.Len()))
	m.Rows.WithLabelValues("chat_messages").Add(float64(len(b.Messages)))
	m.Rows.WithLabelValues("user_sessions").Add(float64(len(b.Sessions)))
	m.Rows.WithLabelValues("rooms").Add(float64(len(b.Rooms)))
	for fate, n := range b.fates {
		m.Records.WithLabelValues(fate).Add(float64(n))
	}
}
