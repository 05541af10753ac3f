package kafkalog

import (
	"context"
	"errors"
	"fmt"

	"splitsync/event"
)

// Entry is one record with its facts and what it says.
type Entry struct {
	Record
	Facts
	Event event.Event // nil if Err is set
	Err   error       // the value could not be decoded; the facts hold all the same
}

// Tail reads one partition of chat or sessions from an offset on and computes the facts of every record. It is for one goroutine.
type Tail struct {
	reader *Reader
	reck   *reckoner
	from   int64
	warmed int64 // where the warm-up began
}

// OpenTail opens a tail at an offset, or at Start or End, and reads back what the facts of the first record depend on: the running maximum
// of the times, and the dedupe window. It fails with *OvertakenError if those are gone; from = Start begins at the first offset whose
// facts are certain, and fails likewise (From = the log's start) if that is not the log's start.
func (l *Log) OpenTail(ctx context.Context, topic event.Topic, partition int, from int64) (*Tail, error) {
	for try := 1; ; try++ {
		t, err := l.openTail(ctx, topic, partition, from)
		var gone *OvertakenError
		switch {
		case err == nil:
			return t, nil
		case t == nil || !errors.As(err, &gone) || try == openTries:
			return nil, err
		}
		// Retention went on between the look at the log's start and the read: that tells nothing of from. Look again.
	}
}

// openTries bounds how often a tail is opened anew because retention went on meanwhile.
const openTries = 10

// openTail returns a tail with an error if warming it up failed, and none if it cannot be opened at from.
func (l *Log) openTail(ctx context.Context, topic event.Topic, partition int, from int64) (*Tail, error) {
	start, end, err := l.Offsets(ctx, topic, partition)
	if err != nil {
		return nil, err
	}
	switch {
	case from == Start:
		from = start
	case from == End:
		from = end
	case from > end:
		return nil, fmt.Errorf("open tail of %s/%d at %d, log ends at %d: %w", topic, partition, from, end, ErrTruncated)
	}
	t := &Tail{reader: l.OpenReader(topic, partition, from), reck: newReckoner(l.meta, partition), from: from}
	if start > 0 {
		warm, err := l.firstWarm(ctx, topic, partition, start, end)
		if err != nil {
			return t, err
		}
		if from < warm {
			return nil, &OvertakenError{topic, partition, from, warm}
		}
	}
	if err := t.warmUp(ctx, start, 1); err != nil {
		return t, fmt.Errorf("warm up %s/%d at %d: %w", topic, partition, from, err)
	}
	return t, nil
}

// firstWarm returns the first offset whose dedupe window no longer reaches before the log's start.
func (l *Log) firstWarm(ctx context.Context, topic event.Topic, partition int, start, end int64) (int64, error) {
	if start >= end {
		return start, nil
	}
	first, err := l.timeAt(ctx, topic, partition, start)
	if err != nil {
		return 0, err
	}
	byTime, err := l.OffsetAt(ctx, topic, partition, first+int64(l.meta.Window.Seconds)*1000+1)
	if err != nil {
		return 0, err
	}
	return min(byTime, start+l.meta.Window.Records), nil
}

// timeAt returns the time of the record at an offset, or of the next one.
func (l *Log) timeAt(ctx context.Context, topic event.Topic, partition int, offset int64) (int64, error) {
	r := l.OpenReader(topic, partition, offset)
	records, err := r.Next(ctx)
	if err != nil {
		return 0, err
	}
	return records[0].Time, nil
}

// warmUp replays the records before from that lie within so many windows. Records before ListOffsets(t) all have times below t: so the
// replay's first record has the greatest time so far, and what lies before it is older than the windows.
func (t *Tail) warmUp(ctx context.Context, logStart int64, windows int64) error {
	if t.from <= logStart {
		t.warmed = t.from
		t.reck.window.begin(t.from, 0, true)
		return nil
	}
	l, r := t.reader.log, t.reader
	last, err := l.timeAt(ctx, r.topic, r.partition, t.from-1)
	if err != nil {
		return err
	}
	begin, err := l.OffsetAt(ctx, r.topic, r.partition, last-windows*int64(l.meta.Window.Seconds)*1000)
	if err != nil {
		return err
	}
	begin = min(begin, t.from-1)
	if nearest := t.from - windows*l.meta.Window.Records; nearest > begin {
		// Many records a second: begin nearer, at a record below which all times are lower than its own.
		at, err := l.timeAt(ctx, r.topic, r.partition, nearest)
		if err != nil {
			return err
		}
		if begin, err = l.OffsetAt(ctx, r.topic, r.partition, at); err != nil {
			return err
		}
		begin = min(begin, nearest)
	}
	t.warmed = max(begin, logStart)
	return t.replay(ctx)
}

func (t *Tail) replay(ctx context.Context) error {
	r := t.reader.log.OpenReader(t.reader.topic, t.reader.partition, t.warmed)
	for first := true; r.Position() < t.from; {
		records, err := r.Next(ctx)
		if err != nil {
			return err
		}
		for i := range records {
			if records[i].Offset >= t.from {
				return nil
			}
			if first {
				t.reck.window.begin(records[i].Offset, records[i].Time, records[i].Offset == 0)
				first = false
			}
			t.reck.next(&records[i])
		}
	}
	return nil
}

// Next waits for records and returns them with their facts, at least one, in offset order. Errors are those of Reader.Next.
func (t *Tail) Next(ctx context.Context) ([]Entry, error) {
	records, err := t.reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	return t.entries(records), nil
}

// Poll is Next with one long poll of at most half a second: it may return no entries.
func (t *Tail) Poll(ctx context.Context) ([]Entry, error) {
	records, err := t.reader.Poll(ctx)
	if err != nil {
		return nil, err
	}
	return t.entries(records), nil
}

func (t *Tail) entries(records []Record) []Entry {
	entries := make([]Entry, len(records))
	for i := range records {
		e := &entries[i]
		e.Record = records[i]
		e.Facts = t.reck.next(&records[i])
		e.Event, e.Err = event.Decode(records[i].Value)
	}
	return entries
}

// ResolveFirst completes the facts of a duplicate whose FirstKnown is false: it reads the log back, further at each try, until the chain's
// first record is certain or the log's start is reached. Other facts are returned as they are.
func (t *Tail) ResolveFirst(ctx context.Context, e Entry) (Facts, error) {
	if e.FirstKnown {
		return e.Facts, nil
	}
	l := t.reader.log
	start, _, err := l.Offsets(ctx, e.Topic, e.Partition)
	if err != nil {
		return e.Facts, err
	}
	for windows := int64(2); ; windows *= 2 {
		back := &Tail{reader: l.OpenReader(e.Topic, e.Partition, e.Offset), reck: newReckoner(l.meta, e.Partition), from: e.Offset}
		if err := back.warmUp(ctx, start, windows); err != nil {
			return e.Facts, fmt.Errorf("look for the first record of %s/%d at %d: %w", e.Topic, e.Partition, e.Offset, err)
		}
		f := back.reck.next(&e.Record)
		if f.FirstKnown || back.warmed <= start {
			f.FirstKnown = true
			return f, nil
		}
	}
}

// Position returns the offset of the next record to be read.
func (t *Tail) Position() int64 { return t.reader.Position() }

// HighWatermark returns the end of the log as of the last answer.
func (t *Tail) HighWatermark() int64 { return t.reader.HighWatermark() }

// LastCreatedAt returns the running maximum of the record times so far, Unix milliseconds; 0 before the first record.
func (t *Tail) LastCreatedAt() int64 { return t.reck.createdAt }
