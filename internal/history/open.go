package history

import (
	"context"
	"fmt"
)

// OpenSession is a session without an end.
type OpenSession struct {
	RoomID, UserID, Nickname, SessionID, Incarnation string
	JoinTimeMS                                       int64 // Unix milliseconds
	JoinSeq                                          uint64
}

// openSets are the sets of an incarnation's sessions, a row a room; the incarnation's rooms in which all have ended are left out.
func (s *Store) openSets(where string) string {
	return "SELECT incarnation, room_id, groupBitmapMergeState(joined) AS j, groupBitmapMergeState(finished) AS f FROM " + s.table("room_incarnations") +
		where + " GROUP BY incarnation, room_id HAVING bitmapCardinality(j) > bitmapCardinality(f)"
}

// OpenIncarnations returns the gateway incarnations that have open sessions, in order.
func (s *Store) OpenIncarnations(ctx context.Context) ([]string, error) {
	rows, err := s.conn.Query(ctx, "SELECT DISTINCT incarnation FROM ("+s.openSets("")+") ORDER BY incarnation SETTINGS optimize_aggregation_in_order = 1")
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
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list incarnations of open sessions: %w", err)
	}
	return out, nil
}

// OpenSessions returns the open sessions of an incarnation, oldest first. Of the table of sessions it reads where these began.
func (s *Store) OpenSessions(ctx context.Context, incarnation string) ([]OpenSession, error) {
	sets := s.openSets(" WHERE incarnation = ?")
	rows, err := s.conn.Query(ctx, "SELECT room_id, user_id, nickname, session_id, incarnation, join_time, join_seq FROM "+s.table("user_sessions_raw")+
		" FINAL WHERE room_id IN (SELECT room_id FROM ("+sets+")) AND join_seq IN (SELECT arrayJoin(bitmapToArray(bitmapAndnot(j, f))) FROM ("+sets+"))"+
		" AND leave_seq = 0 AND incarnation = ? ORDER BY join_time, join_seq"+finalSettings,
		incarnation, incarnation, incarnation)
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
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list open sessions of %s: %w", incarnation, err)
	}
	return out, nil
}
