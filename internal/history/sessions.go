package history

import (
	"context"
	"fmt"
	"math"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"splitsync/event"
)

// SessionQuery asks for sessions of a room. Times of the window are join times, its seqs are those of the ends (of the beginnings with
// IncludeOpen).
type SessionQuery struct {
	RoomID      string
	IncludeOpen bool // also sessions that have not ended (as of the snapshot)
	Window
	Page
}

const sessionFields = "join_time, session_id, user_id, nickname, incarnation, join_seq, leave_seq, leave_time, leave_reason"

// key is the column whose seqs the window bounds, and set is the set that holds them.
func (q *SessionQuery) key() (column, set string) {
	if q.IncludeOpen {
		return "join_seq", "joined"
	}
	return "leave_seq", "leaves"
}

// asOf is the seq behind which ends of sessions are not seen.
func (q *SessionQuery) asOf() uint64 {
	if q.Snapshot > 0 {
		return q.Snapshot
	}
	return math.MaxUint64
}

// SessionPage returns one page of a room's sessions in the order (join_time, join_seq), newest first unless Asc, with exact totals. A page
// behind the last one is empty.
func (s *Store) SessionPage(ctx context.Context, q SessionQuery) ([]event.SessionRecord, PageInfo, error) {
	buckets, snapshot, err := s.sessionHours(ctx, q)
	if err != nil {
		return nil, PageInfo{}, fmt.Errorf("count sessions of %s: %w", q.RoomID, err)
	}
	if q.Snapshot == 0 {
		q.Snapshot = snapshot
	}
	info := q.info(buckets)
	info.Snapshot = q.Snapshot
	where, ok := locate(buckets, q.Page)
	if !ok {
		return nil, info, nil
	}
	records := make([]event.SessionRecord, 0, min(q.Size, int(info.Total)))
	err = s.sessionsIn(ctx, q, where.clip(q.Window), q.Size, func(r event.SessionRecord) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		return nil, info, fmt.Errorf("read sessions of %s: %w", q.RoomID, err)
	}
	return records, info, nil
}

// sessionHours counts the sessions of the query by the hour of their beginning. Without a snapshot it returns the one that the counts are
// of: the greatest seq of the room's sessions, beginnings and ends.
func (s *Store) sessionHours(ctx context.Context, q SessionQuery) ([]bucket, uint64, error) {
	low, high := q.seqs()
	first, last := q.hours()
	_, set := q.key()
	buckets, greatest, err := s.hourly(ctx, "SELECT toUnixTimestamp(hour), "+inRange(set, low, high)+", greatest(bitmapMax(joined), bitmapMax(leaves)) FROM ("+
		"SELECT hour, groupBitmapMergeState(joined) AS joined, groupBitmapMergeState(leaves) AS leaves "+
		"FROM "+s.table("room_session_hours")+" WHERE room_id = ? AND hour >= toDateTime(?, 'UTC') AND hour <= toDateTime(?, 'UTC') "+
		"GROUP BY hour) ORDER BY hour "+q.direction(), q.RoomID, first, last)
	if err != nil {
		return nil, 0, err
	}
	if q.Snapshot == 0 {
		q.Snapshot = greatest
	}
	buckets, err = recount(buckets, q.Window, func(part span) (int64, error) {
		var n uint64
		query, args := s.sessionsWhere(q, part)
		err := s.conn.QueryRow(ctx, "SELECT count() "+query+finalSettings, args...).Scan(&n)
		return int64(n), err
	})
	return buckets, greatest, err
}

func (s *Store) sessionsWhere(q SessionQuery, part span) (string, []any) {
	low, high := q.seqs()
	column, _ := q.key()
	query := "FROM " + s.table("user_sessions_raw") + " FINAL WHERE room_id = ? AND join_time >= " + at(part.from) + " AND join_time < " + at(part.to) +
		" AND " + column + " >= ? AND " + column + " <= ?"
	return query, []any{q.RoomID, low, high}
}

func (s *Store) sessionsIn(ctx context.Context, q SessionQuery, part span, limit int, f func(event.SessionRecord) error) error {
	query, args := s.sessionsWhere(q, part)
	query = "SELECT " + sessionFields + " " + query + fmt.Sprintf(" ORDER BY join_time %[1]s, join_seq %[1]s", q.direction())
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, part.skip)
	} else if part.skip > 0 {
		query += fmt.Sprintf(" LIMIT 18446744073709551615 OFFSET %d", part.skip)
	}
	rows, err := s.conn.Query(ctx, query+finalSettings, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanSession(rows)
		if err != nil {
			return err
		}
		if err := f(r.session(q.asOf())); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanSession(rows driver.Rows) (r SessionRow, err error) {
	var join, leave timestamp
	err = rows.Scan(&join, &r.SessionID, &r.UserID, &r.Nickname, &r.Incarnation, &r.JoinSeq, &r.LeaveSeq, &leave, &r.LeaveReason)
	r.JoinTime, r.LeaveTime = join.ms(), leave.ms()
	return r, err
}

// EachSession calls f for every session of the query's window, oldest first, in bounded memory; newest as in EachMessage.
func (s *Store) EachSession(ctx context.Context, q SessionQuery, newest int64, f func(event.SessionRecord) error) (truncated bool, err error) {
	q.Page = Page{Number: 1, Size: 1, Asc: true}
	buckets, snapshot, err := s.sessionHours(ctx, q)
	if err != nil {
		return false, fmt.Errorf("count sessions of %s: %w", q.RoomID, err)
	}
	if q.Snapshot == 0 {
		q.Snapshot = snapshot
	}
	parts, truncated := chunks(buckets, newest)
	for _, part := range parts {
		if err := s.sessionsIn(ctx, q, part.clip(q.Window), 0, f); err != nil {
			return truncated, fmt.Errorf("read sessions of %s: %w", q.RoomID, err)
		}
	}
	return truncated, nil
}
