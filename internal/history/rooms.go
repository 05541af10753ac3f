package history

import (
	"context"
	"fmt"

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

// Rooms returns the rooms of a filter in the order of their ids. Joins and current users are exact, the peak is what ingest last stored.
func (s *Store) Rooms(ctx context.Context, f RoomFilter) ([]Room, error) {
	scope, args := "room_id > ?", []any{f.After}
	if f.ID != "" {
		scope, args = "room_id = ?", []any{f.ID}
	}
	three := append(append(append([]any{}, args...), args...), args...)
	query := "SELECT room_id, room_name, admin_user_ids, created_at, ifNull(closed_at, toDateTime64(0, 3, 'UTC')) AS closed, " +
		"greatest(changed_at, m.last_at, n.last_at) AS active, n.open, peak_users, n.joins, m.total " +
		"FROM (SELECT * FROM " + s.table("rooms") + " WHERE " + scope + ") AS r " +
		"LEFT JOIN (SELECT room_id, groupBitmapMergeIf(messages, kind = 'message') AS total, max(last_at) AS last_at FROM " + s.table("room_hours") +
		" WHERE " + scope + " GROUP BY room_id) AS m USING room_id " +
		"LEFT JOIN (SELECT room_id, groupBitmapMerge(joined) AS joins, toInt64(joins) - toInt64(groupBitmapMerge(finished)) AS open, max(last_at) AS last_at FROM " +
		s.table("room_session_hours") + " WHERE " + scope + " GROUP BY room_id) AS n USING room_id WHERE 1"
	switch f.State {
	case StateOpen:
		query += " AND closed_at IS NULL"
	case StateClosed:
		query += " AND closed_at IS NOT NULL"
	}
	if f.UpdatedSinceMS > 0 {
		query += " AND active >= " + at(f.UpdatedSinceMS)
	}
	query += " ORDER BY room_id"
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	rows, err := s.conn.Query(ctx, query, three...)
	if err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	defer rows.Close()
	var out []Room
	for rows.Next() {
		var r Room
		var created, closed, active timestamp
		var open, peak int64
		var joins, total uint64
		if err := rows.Scan(&r.ID, &r.Name, &r.AdminUserIDs, &created, &closed, &active, &open, &peak, &joins, &total); err != nil {
			return nil, fmt.Errorf("list rooms: %w", err)
		}
		r.CreatedAtMS, r.ClosedAtMS, r.LastActivityMS = created.ms(), closed.ms(), active.ms()
		r.CurrentUsers, r.TotalJoins, r.TotalMessages = max(0, open), int64(joins), int64(total)
		r.PeakUsers = max(peak, r.CurrentUsers)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list rooms: %w", err)
	}
	return out, nil
}
