package history

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// insertSettings: the server keeps no insert tokens (rows are idempotent by their keys, and tokens lose acknowledged blocks under kill -9,
// DESIGN §4), and makes LowCardinality itself (quicker than the client).
func insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert": 0, "max_partitions_per_insert_block": 0, "deduplicate_insert": "disable", "insert_deduplicate": 0, "low_cardinality_allow_in_native_format": 0,
		"max_insert_block_size": 1 << 20, "min_insert_block_size_rows": 1 << 20, "min_insert_block_size_bytes": 256 << 20,
	}
}

// Insert stores a block: one data block a table. When it returns nil the rows are stored; after an error some or all may be. To insert a
// block again changes nothing. A room's records must come in the order of the log: when Insert has returned, queries without a snapshot
// see what the block holds. See IsData and IsTransient for the errors.
func (s *Store) Insert(ctx context.Context, b *Block) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings()))
	c := s.buffers.Get().(*columns)
	defer func() {
		c.release()
		s.buffers.Put(c)
	}()
	if err := s.insert(ctx, "chat_messages_raw", MessageRow{}, len(b.Messages), func() []any { return c.messages(b.Messages) }); err != nil {
		return err
	}
	if err := s.insert(ctx, "user_sessions_raw", SessionRow{}, len(b.Sessions), func() []any { return c.sessions(b.Sessions) }); err != nil {
		return err
	}
	rooms := append(storedRows(b), b.Rooms...)
	return s.insert(ctx, "rooms_raw", RoomRow{}, len(rooms), func() []any { return c.rooms(rooms) })
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
	defer func() { _ = batch.Close() }() // after Send it does nothing, after an error there is a better one
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
