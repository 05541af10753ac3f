package history

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"splitsync/event"
)

// MessageQuery asks for records of a room of the topic chat.
type MessageQuery struct {
	RoomID string
	Kinds  []event.Kind // empty = messages only
	Window
	Page
}

// messageFields are read into a MessageRow by scanMessage, in this order.
const messageFields = "created_at, seq, message_id, kind, user_id, nickname, content, is_admin, client_msg_id, client_ts"

// finalSettings: duplicates of a row have one key, so they are in one partition, and an index that drops one drops all.
const finalSettings = " SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1"

func (q *MessageQuery) kinds() []any {
	if len(q.Kinds) == 0 {
		return []any{string(event.KindMessage)}
	}
	kinds := make([]any, len(q.Kinds))
	for i, k := range q.Kinds {
		kinds[i] = string(k)
	}
	return kinds
}

// MessagePage returns one page of a room's records in the order (created_at, seq), newest first unless Asc, with exact totals. A page
// behind the last one is empty.
func (s *Store) MessagePage(ctx context.Context, q MessageQuery) ([]event.ChatRecord, PageInfo, error) {
	buckets, snapshot, err := s.messageHours(ctx, q)
	if err != nil {
		return nil, PageInfo{}, fmt.Errorf("count messages of %s: %w", q.RoomID, err)
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
	records := make([]event.ChatRecord, 0, min(q.Size, int(info.Total)))
	err = s.messagesIn(ctx, q, where.clip(q.Window), q.Size, func(r event.ChatRecord) error {
		records = append(records, r)
		return nil
	})
	if err != nil {
		return nil, info, fmt.Errorf("read messages of %s: %w", q.RoomID, err)
	}
	return records, info, nil
}

// messageHours counts the records of the query by the hour. Without a snapshot it returns the one that the counts are of.
func (s *Store) messageHours(ctx context.Context, q MessageQuery) ([]bucket, uint64, error) {
	low, high := q.seqs()
	first, last := q.hours()
	kinds := q.kinds()
	args := append([]any{q.RoomID}, kinds...)
	args = append(args, first, last)
	buckets, greatest, err := s.hourly(ctx, "SELECT toUnixTimestamp(hour), "+inRange("seqs", low, high)+", bitmapMax(seqs) FROM ("+
		"SELECT hour, groupBitmapMergeState(messages) AS seqs "+
		"FROM "+s.table("room_hours")+" WHERE room_id = ? AND kind IN ("+in(len(kinds))+") AND hour >= toDateTime(?, 'UTC') AND hour <= toDateTime(?, 'UTC') "+
		"GROUP BY hour) ORDER BY hour "+q.direction(), args...)
	if err != nil {
		return nil, 0, err
	}
	if q.Snapshot == 0 {
		q.Snapshot = greatest
	}
	buckets, err = recount(buckets, q.Window, func(part span) (int64, error) {
		var n uint64
		query, args := s.messagesWhere(q, part)
		err := s.conn.QueryRow(ctx, "SELECT count() "+query+finalSettings, args...).Scan(&n)
		return int64(n), err
	})
	return buckets, greatest, err
}

// messagesWhere returns FROM and WHERE of a bounded read.
func (s *Store) messagesWhere(q MessageQuery, part span) (string, []any) {
	low, high := q.seqs()
	kinds := q.kinds()
	query := "FROM " + s.table("chat_messages_raw") + " FINAL WHERE room_id = ? AND created_at >= " + at(part.from) + " AND created_at < " + at(part.to) +
		" AND seq >= ? AND seq <= ? AND kind IN (" + in(len(kinds)) + ")"
	return query, append([]any{q.RoomID, low, high}, kinds...)
}

// messagesIn calls f for the records of a span, in the order of the page, at most limit (0 = all).
func (s *Store) messagesIn(ctx context.Context, q MessageQuery, part span, limit int, f func(event.ChatRecord) error) error {
	query, args := s.messagesWhere(q, part)
	query = "SELECT " + messageFields + " " + query + fmt.Sprintf(" ORDER BY created_at %[1]s, seq %[1]s", q.direction())
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
		m, err := scanMessage(rows)
		if err != nil {
			return err
		}
		if err := f(m.chat()); err != nil {
			return err
		}
	}
	return rows.Err()
}

func scanMessage(rows driver.Rows) (m MessageRow, err error) {
	var created timestamp
	err = rows.Scan(&created, &m.Seq, &m.MessageID, &m.Kind, &m.UserID, &m.Nickname, &m.Content, &m.IsAdmin, &m.ClientMsgID, &m.ClientTS)
	m.CreatedAt = created.ms()
	return m, err
}

// StoredSeq returns the greatest seq of a room in the history, 0 if it has none.
func (s *Store) StoredSeq(ctx context.Context, room string) (uint64, error) {
	var seq uint64
	err := s.conn.QueryRow(ctx, "SELECT bitmapMax(groupBitmapMergeState(messages)) FROM "+s.table("room_hours")+" WHERE room_id = ?", room).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("read greatest seq of %s: %w", room, err)
	}
	return seq, nil
}

// EachMessage calls f for every record of the query's window, oldest first, in bounded memory. newest > 0 leaves out all but the newest so
// many; truncated tells that it did. The page of the query is not looked at. An error of f ends it.
func (s *Store) EachMessage(ctx context.Context, q MessageQuery, newest int64, f func(event.ChatRecord) error) (truncated bool, err error) {
	q.Page = Page{Number: 1, Size: 1, Asc: true}
	buckets, snapshot, err := s.messageHours(ctx, q)
	if err != nil {
		return false, fmt.Errorf("count messages of %s: %w", q.RoomID, err)
	}
	if q.Snapshot == 0 {
		q.Snapshot = snapshot
	}
	parts, truncated := chunks(buckets, newest)
	for _, part := range parts {
		if err := s.messagesIn(ctx, q, part.clip(q.Window), 0, f); err != nil {
			return truncated, fmt.Errorf("read messages of %s: %w", q.RoomID, err)
		}
	}
	return truncated, nil
}

// chunkRecords is about how many records one query of a stream reads.
const chunkRecords = 100_000

// chunks cuts hours, oldest first, into spans that are read one after the other.
func chunks(buckets []bucket, newest int64) (parts []span, truncated bool) {
	total := int64(0)
	for _, b := range buckets {
		total += b.count
	}
	skip := int64(0)
	if newest > 0 && total > newest {
		skip, truncated = total-newest, true
	}
	size := int64(0)
	for _, b := range buckets {
		if skip >= b.count {
			skip -= b.count
			continue
		}
		if n := len(parts); n > 0 && size+b.count <= chunkRecords {
			parts[n-1].to = b.start + hourMS
			size += b.count
			continue
		}
		parts = append(parts, span{from: b.start, to: b.start + hourMS, skip: skip})
		size, skip = b.count-skip, 0
	}
	return parts, truncated
}
