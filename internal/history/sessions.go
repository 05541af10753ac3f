package history

import (
	"context"
	"fmt"

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

func (q *SessionQuery) scope(w Window) *scope {
	c := &scope{
		room: q.RoomID, window: w, rows: "user_sessions_raw", time: "join_time", id: "join_seq", key: "leave_seq",
		hours: "room_session_hours", set: "finished", keys: "leaves", rowFilter: " AND leave_seq > 0",
	}
	if q.IncludeOpen {
		c.key, c.set, c.keys, c.rowFilter = "join_seq", "joined", "joined", ""
	}
	return c
}

// SessionPage returns one page of a room's sessions in the order (join_time, join_seq), newest first unless Asc, with exact totals. A page
// behind the last one is empty. Without a snapshot it sees what is completely stored.
func (s *Store) SessionPage(ctx context.Context, q SessionQuery) ([]event.SessionRecord, PageInfo, error) {
	w, err := s.freeze(ctx, q.RoomID, aspectSessionsStored, q.Window)
	if err != nil || w.Snapshot == 0 {
		return nil, PageInfo{}, err
	}
	c := q.scope(w)
	hours, err := s.load(ctx, c)
	if err != nil {
		return nil, PageInfo{}, fmt.Errorf("count sessions of %s: %w", q.RoomID, err)
	}
	total := sum(hours)
	info := q.info(total, w.Snapshot)
	first, take := q.run(total)
	if take == 0 {
		return nil, info, nil
	}
	records, err := s.sessions(ctx, c, hours, first, take, q.Asc)
	return records, info, err
}

// EachSession calls f for every session of the query's window, oldest first, in bounded memory; newest as in EachMessage.
func (s *Store) EachSession(ctx context.Context, q SessionQuery, newest int64, f func(event.SessionRecord) error) (truncated bool, err error) {
	w, err := s.freeze(ctx, q.RoomID, aspectSessionsStored, q.Window)
	if err != nil || w.Snapshot == 0 {
		return false, err
	}
	c := q.scope(w)
	hours, err := s.load(ctx, c)
	if err != nil {
		return false, fmt.Errorf("count sessions of %s: %w", q.RoomID, err)
	}
	return s.each(hours, newest, func(first, take int64) (bytes int64, err error) {
		records, err := s.sessions(ctx, c, hours, first, take, true)
		if err != nil {
			return 0, err
		}
		for i := range records {
			bytes += 200
			if err := f(records[i]); err != nil {
				return 0, err
			}
		}
		return bytes, nil
	})
}

// sessions returns take sessions, from number first, counted from the oldest.
func (s *Store) sessions(ctx context.Context, c *scope, hours []hour, first, take int64, asc bool) ([]event.SessionRecord, error) {
	p, err := s.locate(ctx, c, hours, first, take, asc)
	if err != nil {
		return nil, fmt.Errorf("find sessions of %s: %w", c.room, err)
	}
	query, args := c.read(s, sessionFields, p, asc)
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read sessions of %s: %w", c.room, err)
	}
	defer rows.Close()
	records := make([]event.SessionRecord, 0, take)
	for rows.Next() {
		r, err := scanSession(rows)
		if err != nil {
			return nil, fmt.Errorf("read sessions of %s: %w", c.room, err)
		}
		records = append(records, r.session(c.window.Snapshot))
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sessions of %s: %w", c.room, err)
	}
	return records, nil
}

func scanSession(rows driver.Rows) (r SessionRow, err error) {
	var join, leave timestamp
	err = rows.Scan(&join, &r.SessionID, &r.UserID, &r.Nickname, &r.Incarnation, &r.JoinSeq, &r.LeaveSeq, &leave, &r.LeaveReason)
	r.JoinTime, r.LeaveTime = join.ms(), leave.ms()
	return r, err
}
