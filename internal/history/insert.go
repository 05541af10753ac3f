package history

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// insertSettings: the server keeps no insert tokens (rows are idempotent by their keys, and tokens lose acknowledged blocks under kill -9,
// DESIGN §4), and makes LowCardinality itself (quicker than the client).
func insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert": 0, "deduplicate_insert": "disable", "insert_deduplicate": 0, "low_cardinality_allow_in_native_format": 0,
		"max_insert_block_size": 1 << 20, "min_insert_block_size_rows": 1 << 20, "min_insert_block_size_bytes": 256 << 20,
	}
}

// Insert stores a block: one data block a table. When it returns nil the rows are stored; after an error some or all may be. To insert a
// block again changes nothing. See IsData for errors that come from the rows themselves.
func (s *Store) Insert(ctx context.Context, b *Block) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings()))
	if err := s.insert(ctx, "chat_messages_raw", MessageRow{}, len(b.Messages), func() []any { return messageColumns(b.Messages) }); err != nil {
		return err
	}
	if err := s.insert(ctx, "user_sessions_raw", SessionRow{}, len(b.Sessions), func() []any { return sessionColumns(b.Sessions) }); err != nil {
		return err
	}
	return s.insert(ctx, "rooms_raw", RoomRow{}, len(b.Rooms), func() []any { return roomColumns(b.Rooms) })
}

// insert sends the columns of row's fields, in their order.
func (s *Store) insert(ctx context.Context, table string, row any, n int, columns func() []any) error {
	if n == 0 {
		return nil
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+s.table(table)+" ("+strings.Join(columnNames(row), ", ")+")")
	if err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", n, table, err)
	}
	defer batch.Close()
	for i, values := range columns() {
		if err := batch.Column(i).Append(values); err != nil {
			return fmt.Errorf("insert %d rows into %s, column %d: %w", n, table, i, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", n, table, err)
	}
	return nil
}

// columnNames returns the ch tags of a row struct.
func columnNames(row any) []string {
	t := reflect.TypeOf(row)
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("ch")
	}
	return names
}

// column gathers one field of all rows.
func column[R, V any](rows []R, field func(*R) V) []V {
	values := make([]V, len(rows))
	for i := range rows {
		values[i] = field(&rows[i])
	}
	return values
}

func messageColumns(rows []MessageRow) []any {
	return []any{
		column(rows, func(r *MessageRow) string { return r.RoomID }),
		column(rows, func(r *MessageRow) int64 { return r.CreatedAt }),
		column(rows, func(r *MessageRow) uint64 { return r.Seq }),
		column(rows, func(r *MessageRow) uuid.UUID { return r.MessageID }),
		column(rows, func(r *MessageRow) string { return r.Kind }),
		column(rows, func(r *MessageRow) string { return r.UserID }),
		column(rows, func(r *MessageRow) string { return r.Nickname }),
		column(rows, func(r *MessageRow) string { return r.Content }),
		column(rows, func(r *MessageRow) bool { return r.IsAdmin }),
		column(rows, func(r *MessageRow) string { return r.ClientMsgID }),
		column(rows, func(r *MessageRow) int64 { return r.ClientTS }),
		column(rows, func(r *MessageRow) uint16 { return r.Partition }),
		column(rows, func(r *MessageRow) uint64 { return r.Offset }),
	}
}

func sessionColumns(rows []SessionRow) []any {
	return []any{
		column(rows, func(r *SessionRow) string { return r.RoomID }),
		column(rows, func(r *SessionRow) int64 { return r.JoinTime }),
		column(rows, func(r *SessionRow) string { return r.SessionID }),
		column(rows, func(r *SessionRow) string { return r.UserID }),
		column(rows, func(r *SessionRow) string { return r.Nickname }),
		column(rows, func(r *SessionRow) string { return r.Incarnation }),
		column(rows, func(r *SessionRow) uint64 { return r.JoinSeq }),
		column(rows, func(r *SessionRow) uint64 { return r.LeaveSeq }),
		column(rows, func(r *SessionRow) int64 { return r.LeaveTime }),
		column(rows, func(r *SessionRow) string { return r.LeaveReason }),
		column(rows, func(r *SessionRow) uint16 { return r.Partition }),
	}
}

func roomColumns(rows []RoomRow) []any {
	return []any{
		column(rows, func(r *RoomRow) string { return r.RoomID }),
		column(rows, func(r *RoomRow) string { return r.Aspect }),
		column(rows, func(r *RoomRow) uint64 { return r.Seq }),
		column(rows, func(r *RoomRow) int64 { return r.At }),
		column(rows, func(r *RoomRow) string { return r.RoomName }),
		column(rows, func(r *RoomRow) []string { return r.AdminUserIDs }),
		column(rows, func(r *RoomRow) int64 { return r.CurrentUsers }),
		column(rows, func(r *RoomRow) int64 { return r.PeakUsers }),
		column(rows, func(r *RoomRow) int64 { return r.TotalJoins }),
	}
}
