package history

import (
	"context"
	"fmt"

	"splitsync/event"
)

// OpenSession is a session without an end.
type OpenSession struct {
	RoomID, UserID, Nickname, SessionID, Incarnation string
	JoinTimeMS                                       int64 // Unix milliseconds
	JoinSeq                                          uint64
}

// openWhere finds open sessions by the hours that have some: it never reads rooms and hours in which all have ended.
func (s *Store) openWhere() string {
	hours := "SELECT room_id, hour FROM " + s.table("room_session_hours") +
		" GROUP BY room_id, hour HAVING groupBitmapMerge(joined) > groupBitmapMerge(finished)"
	return " FROM " + s.table("user_sessions_raw") + " FINAL WHERE room_id IN (SELECT room_id FROM (" + hours + ")) AND " +
		"(room_id, toStartOfHour(join_time)) IN (" + hours + ") AND leave_seq = 0"
}

// OpenIncarnations returns the gateway incarnations that have open sessions, in order.
func (s *Store) OpenIncarnations(ctx context.Context) ([]string, error) {
	rows, err := s.conn.Query(ctx, "SELECT DISTINCT incarnation"+s.openWhere()+" ORDER BY incarnation"+finalSettings)
	if err != nil {
		return nil, fmt.Errorf("list incarnations of open sessions: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, fmt.Errorf("list incarnations of open sessions: %w", err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// OpenSessions returns the open sessions of an incarnation, oldest first.
func (s *Store) OpenSessions(ctx context.Context, incarnation string) ([]OpenSession, error) {
	rows, err := s.conn.Query(ctx, "SELECT room_id, user_id, nickname, session_id, incarnation, join_time, join_seq"+s.openWhere()+
		" AND incarnation = ? ORDER BY join_time, join_seq"+finalSettings, incarnation)
	if err != nil {
		return nil, fmt.Errorf("list open sessions of %s: %w", incarnation, err)
	}
	defer rows.Close()
	var out []OpenSession
	for rows.Next() {
		var o OpenSession
		var join timestamp
		if err := rows.Scan(&o.RoomID, &o.UserID, &o.Nickname, &o.SessionID, &o.Incarnation, &join, &o.JoinSeq); err != nil {
			return nil, fmt.Errorf("list open sessions of %s: %w", incarnation, err)
		}
		o.JoinTimeMS = join.ms()
		out = append(out, o)
	}
	return out, rows.Err()
}

// RoomCounters is what the history tells of a room's sessions below a seq.
type RoomCounters struct {
	event.Stats
	LastActivityMS int64 // Unix milliseconds; 0 = none
}

// RoomCounters returns, for every room of below, its statistics from the records of the topic sessions with a seq lower than the room's
// value. PeakUsers is the greatest that was stored, which may be of a later seq. Rooms without sessions are absent.
func (s *Store) RoomCounters(ctx context.Context, below map[string]uint64) (map[string]RoomCounters, error) {
	out := make(map[string]RoomCounters, len(below))
	ids := make([]string, 0, len(below))
	seqs := make([]uint64, 0, len(below))
	for id, seq := range below {
		ids, seqs = append(ids, id), append(seqs, seq)
	}
	rows, err := s.conn.Query(ctx, "WITH transform(room_id, ?, ?, toUInt64(0)) AS below "+
		"SELECT room_id, toUInt64(arrayCount(x -> x < any(below), bitmapToArray(groupBitmapMergeState(joined)))), "+
		"toUInt64(arrayCount(x -> x < any(below), bitmapToArray(groupBitmapMergeState(leaves)))), "+
		"(SELECT groupArray((room_id, peak_users)) FROM "+s.table("rooms_raw")+" FINAL WHERE aspect = 'stats' AND room_id IN ?), max(last_at) "+
		"FROM "+s.table("room_session_hours")+" WHERE room_id IN ? GROUP BY room_id", ids, seqs, ids, ids)
	if err != nil {
		return nil, fmt.Errorf("count sessions of %d rooms: %w", len(ids), err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var joined, left uint64
		var peaks [][]any
		var last timestamp
		if err := rows.Scan(&id, &joined, &left, &peaks, &last); err != nil {
			return nil, fmt.Errorf("count sessions of %d rooms: %w", len(ids), err)
		}
		c := RoomCounters{LastActivityMS: last.ms()}
		c.TotalJoins, c.CurrentUsers = int64(joined), max(0, int64(joined)-int64(left))
		c.PeakUsers = c.CurrentUsers
		for _, p := range peaks {
			if peak, ok := p[1].(int64); ok && p[0] == id {
				c.PeakUsers = max(c.PeakUsers, peak)
			}
		}
		out[id] = c
	}
	return out, rows.Err()
}
