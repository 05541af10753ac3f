package history

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"splitsync/event"
)

// RoomCounters is what the history tells of a room's sessions below a seq.
type RoomCounters struct {
	event.Stats
	LastActivityMS int64 // Unix milliseconds; 0 = none
}

// countersAQuery is how many rooms one query counts: it names each twice, within the 256 KiB that ClickHouse parses.
const countersAQuery = 500

// RoomCounters returns, for every room of below, its statistics from the records of the topic sessions with a seq lower than the room's
// value. PeakUsers is the greatest that was stored, which may be of a later seq. Rooms that have nothing stored are absent.
func (s *Store) RoomCounters(ctx context.Context, below map[string]uint64) (map[string]RoomCounters, error) {
	out := make(map[string]RoomCounters, len(below))
	for ids := range slices.Chunk(slices.Collect(maps.Keys(below)), countersAQuery) {
		recount, err := s.storedCounters(ctx, below, ids, out)
		if err == nil && len(recount) > 0 {
			err = s.countSessions(ctx, below, recount, out)
		}
		if err != nil {
			return nil, fmt.Errorf("count sessions of %d rooms: %w", len(ids), err)
		}
	}
	return out, nil
}

// storedCounters takes the statistics of rooms as they were last stored, and returns the rooms for which these are of too late a seq, or
// absent: the others have no session between it and below, because statistics are stored together with the sessions that they follow from.
func (s *Store) storedCounters(ctx context.Context, below map[string]uint64, ids []string, out map[string]RoomCounters) (recount []string, err error) {
	rows, err := s.conn.Query(ctx, "SELECT room_id, seq, at, current_users, peak_users, total_joins FROM "+s.table("rooms_raw")+
		" FINAL WHERE aspect = 'stats' AND room_id IN ?", ids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	complete := make(map[string]bool, len(ids))
	for rows.Next() {
		var id string
		var seq uint64
		var last timestamp
		var c RoomCounters
		if err := rows.Scan(&id, &seq, &last, &c.CurrentUsers, &c.PeakUsers, &c.TotalJoins); err != nil {
			return nil, err
		}
		c.LastActivityMS = last.ms()
		out[id], complete[id] = c, seq < below[id]
	}
	for _, id := range ids {
		if !complete[id] {
			recount = append(recount, id)
		}
	}
	return recount, rows.Err()
}

// countSessions counts sessions in the sets of the hours, for rooms of which a part of the log is read again.
func (s *Store) countSessions(ctx context.Context, below map[string]uint64, ids []string, out map[string]RoomCounters) error {
	seqs := make([]uint64, len(ids))
	for i, id := range ids {
		seqs[i] = below[id]
	}
	count := func(set string) string {
		return "sum(toUInt64(multiIf(bitmapMax(" + set + ") < below, bitmapCardinality(" + set + "), bitmapMin(" + set + ") >= below, 0, " +
			"arrayCount(x -> x < below, bitmapToArray(" + set + ")))))"
	}
	rows, err := s.conn.Query(ctx, "WITH transform(room_id, ?, ?, toUInt64(0)) AS below "+
		"SELECT room_id, "+count("j")+", "+count("l")+", max(last) FROM ("+
		"SELECT room_id, hour, groupBitmapMergeState(joined) AS j, groupBitmapMergeState(leaves) AS l, max(last_at) AS last FROM "+s.table("room_session_hours")+
		" WHERE room_id IN ? GROUP BY room_id, hour) GROUP BY room_id SETTINGS optimize_aggregation_in_order = 1", ids, seqs, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var joined, left uint64
		var last timestamp
		if err := rows.Scan(&id, &joined, &left, &last); err != nil {
			return err
		}
		c := out[id] // what was stored of it, for its peak
		c.TotalJoins, c.CurrentUsers = int64(joined), max(0, int64(joined)-int64(left))
		c.PeakUsers, c.LastActivityMS = max(c.PeakUsers, c.CurrentUsers), max(c.LastActivityMS, last.ms())
		out[id] = c
	}
	return rows.Err()
}
