package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"splitsync/event"
)

// State selects rooms.
type State string

// The states of rooms.
const (
	StateAll    State = "all"
	StateOpen   State = "open"
	StateClosed State = "closed"
)

// RoomFilter selects rooms. The zero value selects all.
type RoomFilter struct {
	ID             string // one room
	State          State  // empty = all
	UpdatedSinceMS int64  // last activity at or after, Unix milliseconds
	After          string // rooms with a greater id
	Limit          int    // 0 = no bound
}

// Room is what the history tells of a room.
type Room struct {
	ID             string
	Name           string
	AdminUserIDs   []string
	CreatedAtMS    int64 // Unix milliseconds
	ClosedAtMS     int64 // Unix milliseconds; 0 = open
	LastActivityMS int64 // Unix milliseconds: of its messages, sessions and changes
	event.Stats
	TotalMessages int64
}

// Info returns the description that the sync API and the periodic callback show.
func (r *Room) Info() event.RoomInfo {
	admins := r.AdminUserIDs
	if admins == nil {
		admins = []string{}
	}
	return event.RoomInfo{
		RoomID: r.ID, RoomName: r.Name, AdminUserIDs: admins, CurrentConnections: r.CurrentUsers,
		CreatedAt: event.Seconds(r.CreatedAtMS), CreatedAtMS: r.CreatedAtMS,
		LastActivity: event.Seconds(r.LastActivityMS), LastActivityMS: r.LastActivityMS,
	}
}

// Room returns one room; ok is false if the history does not know it (yet).
func (s *Store) Room(ctx context.Context, id string) (r Room, ok bool, err error) {
	rooms, err := s.Rooms(ctx, RoomFilter{ID: id})
	if err != nil || len(rooms) == 0 {
		return Room{}, false, err
	}
	return rooms[0], true, nil
}

// Rooms returns the rooms of a filter in the order of their ids. Current users and messages are exact; the peak is what ingest last stored,
// and so are the joins when the TTL has deleted sessions.
func (s *Store) Rooms(ctx context.Context, f RoomFilter) ([]Room, error) {
	out, err := s.selectRooms(ctx, f)
	if err == nil {
		err = s.addTotals(ctx, out)
	}
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	return out, nil
}

func (s *Store) selectRooms(ctx context.Context, f RoomFilter) ([]Room, error) {
	where, args := "room_id > ?", []any{f.After}
	if f.ID != "" {
		where, args = "room_id = ?", []any{f.ID}
	}
	switch f.State {
	case StateOpen:
		where += " AND closed_at IS NULL"
	case StateClosed:
		where += " AND closed_at IS NOT NULL"
	}
	if f.UpdatedSinceMS > 0 {
		where += " AND changed_at >= " + at(f.UpdatedSinceMS)
	}
	query := "SELECT room_id, room_name, admin_user_ids, created_at, ifNull(closed_at, toDateTime64(0, 3, 'UTC')), changed_at, peak_users, total_joins FROM " +
		s.table("rooms") + " WHERE " + where + " ORDER BY room_id"
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Room
	for rows.Next() {
		var r Room
		var created, closed, changed timestamp
		if err := rows.Scan(&r.ID, &r.Name, &r.AdminUserIDs, &created, &closed, &changed, &r.PeakUsers, &r.TotalJoins); err != nil {
			return nil, err
		}
		r.CreatedAtMS, r.ClosedAtMS, r.LastActivityMS = created.ms(), closed.ms(), changed.ms()
		out = append(out, r)
	}
	return out, rows.Err()
}

// roomsAQuery is how many rooms one query counts.
const roomsAQuery = 1000

// addTotals counts what the sets of the hours hold of rooms. A seq is in one hour only, so hours add up.
func (s *Store) addTotals(ctx context.Context, rooms []Room) error {
	from, _ := Window{}.keep(s.cfg.TTLDays, time.Now()).bounds()
	since := fmt.Sprintf(" AND hour >= toDateTime(%d, 'UTC')", from/1000)
	for part := range slices.Chunk(rooms, roomsAQuery) {
		ids, at := make([]string, len(part)), make(map[string]*Room, len(part))
		for i := range part {
			ids[i], at[part[i].ID] = part[i].ID, &part[i]
		}
		err := s.totals(ctx, "SELECT room_id, sum(n), toUInt64(0) FROM (SELECT room_id, groupBitmapMerge(messages) AS n FROM "+s.table("room_hours")+
			" WHERE room_id IN ? AND kind = 'message'"+since+" GROUP BY room_id, hour) GROUP BY room_id", ids, func(id string, messages, _ int64) {
			at[id].TotalMessages = messages
		})
		if err != nil {
			return err
		}
		err = s.totals(ctx, "SELECT room_id, sum(j), sum(f) FROM (SELECT room_id, groupBitmapMerge(joined) AS j, groupBitmapMerge(finished) AS f FROM "+
			s.table("room_session_hours")+" WHERE room_id IN ?"+since+" GROUP BY room_id, hour) GROUP BY room_id", ids, func(id string, joined, finished int64) {
			r := at[id]
			r.CurrentUsers, r.TotalJoins = max(0, joined-finished), max(r.TotalJoins, joined)
			r.PeakUsers = max(r.PeakUsers, r.CurrentUsers)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) totals(ctx context.Context, query string, ids []string, f func(id string, a, b int64)) error {
	rows, err := s.conn.Query(ctx, query+" SETTINGS optimize_aggregation_in_order = 1", ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var a, b uint64
		if err := rows.Scan(&id, &a, &b); err != nil {
			return err
		}
		f(id, int64(a), int64(b))
	}
	return rows.Err()
}
