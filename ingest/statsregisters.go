package ingest

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/rooms"
)

// registerWriters is how many registers are on their way to the log at once.
const registerWriters = 16

// run writes the registers of rooms that changed, at most once a second a room, and mends those that a slow writer set back, until ctx ends.
func (p *projector) run(ctx context.Context) error {
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(statsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		p.flush(ctx)
		if err := p.s.repairRegressed(ctx, p.owned); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// catchUp writes the registers of rooms whose statistics an owner before us stored and committed, but did not live to write.
func (p *projector) catchUp(ctx context.Context) error {
	below := map[string]uint64{}
	for _, r := range p.s.directory.List() {
		if seq := p.below[p.s.log.PartitionOf(r.ID)]; r.StatsSeq < seq {
			below[r.ID] = seq
		}
	}
	return p.s.roomCounters(ctx, below, func(room string, c history.RoomCounters) error {
		if r, ok := p.s.directory.Get(room); !ok || r.Stats == c.Stats || r.StatsSeq >= below[room] {
			return nil
		}
		return p.s.put(ctx, statsRegister(room, below[room]-1, c.Stats, c.LastActivityMS))
	})
}

// flush writes the registers of all rooms that changed. What cannot be written before ctx ends stays changed.
func (p *projector) flush(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(registerWriters)
	for _, r := range p.takeChanged() {
		group.Go(func() error {
			if p.s.put(ctx, r) != nil {
				p.giveBack(r.Key.Room)
			}
			return nil
		})
	}
	_ = group.Wait() // a goroutine of it never fails: what it could not write is given back
}

func (p *projector) takeChanged() []rooms.Register {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []rooms.Register
	for room, t := range p.tallies {
		if t.changed {
			t.changed = false
			out = append(out, statsRegister(room, t.seq, t.Stats, t.activityMS))
		}
	}
	return out
}

func (p *projector) giveBack(room string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tallies[room]; t != nil {
		t.changed = true
	}
}

func statsRegister(room string, seq uint64, stats event.Stats, activityMS int64) rooms.Register {
	return rooms.Register{
		Key:   event.RegisterKey{Room: room, Aspect: event.AspectStats},
		Value: event.StatsRegister{Seq: seq, Stats: stats, LastActivityMS: activityMS},
	}
}
