package kafkalog

import (
	"context"
	"fmt"
)

// ResolveAll is ResolveFirst for many entries of the tail's partition, in ascending order of their offsets, by one reading of the log: as
// long as they lie close together it costs hardly more than one. It returns the facts in the same order.
func (t *Tail) ResolveAll(ctx context.Context, entries []Entry) ([]Facts, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	l, r, from := t.reader.log, t.reader, entries[0].Offset
	start, _, err := l.Offsets(ctx, r.topic, r.partition)
	if err != nil {
		return nil, err
	}
	for windows := int64(2); ; windows *= 2 {
		back := &Tail{reader: l.OpenReader(r.topic, r.partition, from), reck: newReckoner(l.meta, r.partition), from: from}
		facts, err := back.factsOf(ctx, entries, start, windows)
		if err != nil {
			return nil, fmt.Errorf("look for the first records of %d entries of %s/%d from %d on: %w", len(entries), r.topic, r.partition, from, err)
		}
		certain := true
		for i := range facts {
			certain = certain && facts[i].FirstKnown
			facts[i].FirstKnown = true
		}
		if certain || back.warmed <= start {
			return facts, nil
		}
	}
}

// factsOf warms up by so many windows and reads on to the last of the entries.
func (t *Tail) factsOf(ctx context.Context, entries []Entry, start, windows int64) ([]Facts, error) {
	if err := t.warmUp(ctx, start, windows); err != nil {
		return nil, err
	}
	facts := make([]Facts, 0, len(entries))
	for {
		records, err := t.reader.Next(ctx)
		if err != nil {
			return nil, err
		}
		for i := range records {
			f := t.reck.next(&records[i])
			if records[i].Offset == entries[len(facts)].Offset {
				if facts = append(facts, f); len(facts) == len(entries) {
					return facts, nil
				}
			}
		}
	}
}
