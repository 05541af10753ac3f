package ingest

import (
	"context"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
)

// repair writes the registers that the entries set and that the topic rooms lacks: the gateway that appended an event may have died before it
// wrote them. It returns when they are durable, so that a commit passes no event without its registers. Writing what the gateway writes at
// the same moment changes nothing for readers.
func (s *Server) repair(ctx context.Context, entries []kafkalog.Entry) error {
	newest := map[event.RegisterKey]rooms.Register{}
	for i := range entries {
		for _, r := range rooms.Project(entries[i]) {
			if r.Seq() > newest[r.Key].Seq() {
				newest[r.Key] = r
			}
		}
	}
	for key, r := range newest {
		if s.directory.Seq(key) >= r.Seq() {
			continue
		}
		if err := s.put(ctx, r); err != nil {
			return err
		}
		s.metrics.Repaired.Inc()
	}
	return nil
}

// repairRegressed writes the greatest value again where a slow writer's lower one came after it: compaction would keep the wrong one.
func (s *Server) repairRegressed(ctx context.Context, owned map[int]bool) error {
	for _, r := range s.directory.Regressed() {
		if !owned[s.log.PartitionOf(r.Key.Room)] {
			continue
		}
		if err := s.put(ctx, r); err != nil {
			return err
		}
		s.metrics.Repaired.Inc()
	}
	return nil
}

// put makes registers durable, trying until ctx ends.
func (s *Server) put(ctx context.Context, registers ...rooms.Register) error {
	return s.retry(ctx, "register", func(ctx context.Context) error {
		_, err := s.putRegisters(ctx, registers...)
		return err
	})
}
