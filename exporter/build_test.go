package exporter

import (
	"testing"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/rooms"
)

// members is a Counter of one answer.
type members int64

func (m members) Count(string, string) int64 { return int64(m) }

// The register and the history are written at different moments: a snapshot tells the newer of both.
func TestSnapshotStatsAreTheNewest(t *testing.T) {
	register := rooms.Room{Stats: event.Stats{CurrentUsers: 9, PeakUsers: 3, TotalJoins: 9}}
	stored := history.Room{Stats: event.Stats{CurrentUsers: 8, PeakUsers: 2, TotalJoins: 11}}
	s := &scribe{members: members(2)}
	if got, want := s.stats(register, stored), (event.Stats{CurrentUsers: 2, PeakUsers: 3, TotalJoins: 11}); got != want {
		t.Errorf("open room: %+v, want %+v", got, want)
	}
	register.Closed = true
	if got := s.stats(register, stored); got.CurrentUsers != 0 {
		t.Errorf("a closed room has %d users", got.CurrentUsers)
	}
}
