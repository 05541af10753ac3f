package ingest

import (
	"context"
	"fmt"
	"sync"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

const (
	// maxTallies bounds the rooms whose statistics are kept in memory; beyond it those that stand in the log are forgotten and read back
	// from ClickHouse when they are needed again.
	maxTallies = 50_000
	// roomsAQuery bounds the text of a query that names rooms (ClickHouse takes 256 KiB).
	roomsAQuery = 500
)

// tally is what the sessions log tells of a room up to seq.
type tally struct {
	event.Stats
	seq        uint64
	activityMS int64
	changed    bool // since the register was written
}

func (t *tally) row(room string) history.RoomRow {
	return history.RoomRow{
		RoomID: room, Aspect: history.AspectStats, Seq: t.seq, At: t.activityMS,
		CurrentUsers: t.CurrentUsers, PeakUsers: t.PeakUsers, TotalJoins: t.TotalJoins,
	}
}

// projector folds the sessions log into the statistics of rooms. What it says of a room at a seq depends on nothing but the log up to there,
// so every owner says the same. It lives as long as a generation.
type projector struct {
	s     *Server
	owned map[int]bool   // partitions of sessions
	below map[int]uint64 // seq of the first record that was not committed when the generation began

	mu      sync.Mutex
	tallies map[string]*tally
}

func newProjector(s *Server, claims []kafkalog.Claim) *projector {
	p := &projector{s: s, owned: map[int]bool{}, below: map[int]uint64{}, tallies: map[string]*tally{}}
	for _, c := range claims {
		if c.Topic != event.Sessions {
			continue
		}
		p.owned[c.Partition] = true
		if c.Offset > 0 {
			p.below[c.Partition] = s.log.Meta().SeqOf(c.Offset)
		}
	}
	return p
}

// counts tells whether an entry changes the statistics of its room.
func counts(e *kafkalog.Entry) bool {
	if e.Err != nil || e.Duplicate {
		return false
	}
	switch e.Event.(type) {
	case *event.UserJoined, *event.UserLeft:
		return true
	}
	return false
}

// fold applies entries of sessions, in log order a partition, and returns a row for every room whose statistics changed. Rooms that are new
// here begin with what ClickHouse has of them below their first entry: everything, because the commit had passed it. ctx bounds that.
func (p *projector) fold(ctx context.Context, entries []kafkalog.Entry) ([]history.RoomRow, error) {
	if err := p.load(ctx, entries); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	touched := map[string]*tally{}
	for i := range entries {
		if e := &entries[i]; counts(e) {
			room := e.Event.Room()
			t := p.tallies[room]
			t.apply(e)
			touched[room] = t
		}
	}
	rows := make([]history.RoomRow, 0, len(touched))
	for room, t := range touched {
		rows = append(rows, t.row(room))
	}
	return rows, nil
}

func (t *tally) apply(e *kafkalog.Entry) {
	switch e.Event.(type) {
	case *event.UserJoined:
		t.TotalJoins++
		t.CurrentUsers++
		t.PeakUsers = max(t.PeakUsers, t.CurrentUsers)
	case *event.UserLeft:
		t.CurrentUsers = max(0, t.CurrentUsers-1)
	}
	t.seq, t.activityMS, t.changed = e.Seq, max(t.activityMS, e.CreatedAt), true
}

// load makes sure that every room of the entries has a tally.
func (p *projector) load(ctx context.Context, entries []kafkalog.Entry) error {
	p.forget()
	below := map[string]uint64{}
	for i := range entries {
		e := &entries[i]
		if !counts(e) {
			continue
		}
		room := e.Event.Room()
		if _, asked := below[room]; !asked && p.get(room) == nil {
			below[room] = e.Seq
		}
	}
	if len(below) == 0 {
		return nil
	}
	return p.s.roomCounters(ctx, below, func(room string, c history.RoomCounters) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tallies[room] = &tally{Stats: c.Stats, activityMS: c.LastActivityMS}
		return nil
	})
}

// roomCounters calls f with what ClickHouse has of every room below its seq, trying until ctx ends.
func (s *Server) roomCounters(ctx context.Context, below map[string]uint64, f func(room string, c history.RoomCounters) error) error {
	ask := make(map[string]uint64, min(len(below), roomsAQuery))
	flush := func() error {
		var found map[string]history.RoomCounters
		err := s.retry(ctx, "stats", func(ctx context.Context) (err error) {
			found, err = s.store.RoomCounters(ctx, ask)
			return err
		})
		if err != nil {
			return fmt.Errorf("read counters of %d rooms: %w", len(ask), err)
		}
		for room := range ask {
			if err := f(room, found[room]); err != nil {
				return err
			}
		}
		clear(ask)
		return nil
	}
	for room, seq := range below {
		if ask[room] = seq; len(ask) == roomsAQuery {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(ask) == 0 {
		return nil
	}
	return flush()
}

func (p *projector) get(room string) *tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tallies[room]
}

// forget bounds the memory. What was folded before has been stored by now, so it can be read back.
func (p *projector) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tallies) < maxTallies {
		return
	}
	for room, t := range p.tallies {
		if !t.changed {
			delete(p.tallies, room)
		}
	}
}
