package ingest

import (
	"context"
	"strconv"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/service"
)

const (
	// handover bounds the batches that wait for the inserter; their bytes are bounded by the budget.
	handover = 256
	// statsEvery is how often a room's statistics are written at most.
	statsEvery = time.Second
	// lastWrites bounds what is written after the end of a generation.
	lastWrites = 2 * time.Second
)

// generation stores what the claims of a generation bring until it ends: a fetcher a partition, one inserter, and beside them the writer of
// the registers and, where sessions/0 is claimed, the reaper.
func (s *Server) generation(ctx context.Context, g *kafkalog.Generation) error {
	select {
	case <-s.directory.Ready():
	case <-ctx.Done():
		return nil
	}
	claims := g.Claims()
	s.dropTails(claims)
	defer s.disown(claims)
	s.metrics.Partitions.Set(float64(len(claims)))
	s.health.Ready(healthPart)

	p := newProjector(s, claims)
	b := newBudget(int64(s.cfg.BufferBytes), s.metrics.Buffered.Set)
	batches := make(chan batch, handover)
	group, _ := service.NewGroup(ctx)
	for _, c := range claims {
		f := &fetcher{s: s, slot: slot{c.Topic, c.Partition}, from: c.Offset, budget: b, out: batches}
		if c.Offset < 0 {
			f.from = kafkalog.Start
		}
		group.Go("fetch", f.run)
		if f.slot == (slot{event.Sessions, 0}) {
			r := &reaper{s: s, g: g, life: s.presence, sightings: map[string]sighting{}, fenced: map[string]bool{}}
			group.Go("reaper", r.run)
		}
	}
	in := &inserter{s: s, g: g, in: batches, budget: b, projector: p, commits: map[slot]int64{}, ends: map[slot]int64{}}
	group.Go("insert", in.run)
	group.Go("registers", p.run)
	err := group.Wait()
	b.reset()

	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	p.flush(last)
	return err
}

// dropTails forgets the tails of partitions that are not claimed: their dedupe windows take memory.
func (s *Server) dropTails(claims []kafkalog.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keep := map[slot]*kafkalog.Tail{}
	for _, c := range claims {
		at := slot{c.Topic, c.Partition}
		if tail := s.tails[at]; tail != nil {
			keep[at] = tail
		}
	}
	s.tails = keep
}

// disown takes back the figures of partitions that somebody else may own now.
func (s *Server) disown(claims []kafkalog.Claim) {
	s.metrics.Partitions.Set(0)
	for _, c := range claims {
		s.metrics.Lag.DeleteLabelValues(string(c.Topic), strconv.Itoa(c.Partition))
	}
}
