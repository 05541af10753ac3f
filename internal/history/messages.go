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

func (q *MessageQuery) scope(w Window) *scope {
	c := &scope{
		room: q.RoomID, window: w, rows: "chat_messages_raw", time: "created_at", id: "seq", key: "seq",
		hours: "room_hours", set: "messages", keys: "messages",
	}
	kinds := q.Kinds
	if len(kinds) == 0 {
		kinds = []event.Kind{event.KindMessage}
	}
	for _, k := range kinds {
		c.args = append(c.args, string(k))
	}
	c.filter = " AND kind IN (" + in(len(kinds)) + ")"
	return c
}

// MessagePage returns one page of a room's records in the order (created_at, seq), newest first unless Asc, with exact totals. A page
// behind the last one is empty. Without a snapshot it sees what is completely stored; records that an Insert is bringing just now are not.
func (s *Store) MessagePage(ctx context.Context, q MessageQuery) ([]event.ChatRecord, PageInfo, error) {
	w, err := s.freeze(ctx, q.RoomID, aspectChatStored, q.Window)
	if err != nil || w.Snapshot == 0 {
		return nil, PageInfo{}, err
	}
	c := q.scope(w)
	hours, err := s.load(ctx, c)
	if err != nil {
		return nil, PageInfo{}, fmt.Errorf("count messages of %s: %w", q.RoomID, err)
	}
	total := sum(hours)
	info := q.info(total, w.Snapshot)
	first, take := q.run(total)
	if take == 0 {
		return nil, info, nil
	}
	records, err := s.messages(ctx, c, hours, first, take, q.Asc)
	return records, info, err
}

// EachMessage calls f for every record of the query's window, oldest first, in bounded memory. newest > 0 leaves out all but the newest so
// many; truncated tells that it did. The page of the query is not looked at. An error of f ends it.
func (s *Store) EachMessage(ctx context.Context, q MessageQuery, newest int64, f func(event.ChatRecord) error) (truncated bool, err error) {
	w, err := s.freeze(ctx, q.RoomID, aspectChatStored, q.Window)
	if err != nil || w.Snapshot == 0 {
		return false, err
	}
	c := q.scope(w)
	hours, err := s.load(ctx, c)
	if err != nil {
		return false, fmt.Errorf("count messages of %s: %w", q.RoomID, err)
	}
	return s.each(hours, newest, func(first, take int64) (bytes int64, err error) {
		records, err := s.messages(ctx, c, hours, first, take, true)
		if err != nil {
			return 0, err
		}
		for i := range records {
			bytes += int64(len(records[i].Content)) + 200
			if err := f(records[i]); err != nil {
				return 0, err
			}
		}
		return bytes, nil
	})
}

// messages returns take messages, from number first, counted from the oldest.
func (s *Store) messages(ctx context.Context, c *scope, hours []hour, first, take int64, asc bool) ([]event.ChatRecord, error) {
	p, err := s.locate(ctx, c, hours, first, take, asc)
	if err != nil {
		return nil, fmt.Errorf("find messages of %s: %w", c.room, err)
	}
	query, args := c.read(s, messageFields, p, asc)
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read messages of %s: %w", c.room, err)
	}
	defer rows.Close()
	records := make([]event.ChatRecord, 0, take)
	for rows.Next() {
		r, err := scanMessage(rows)
		if err != nil {
			return nil, fmt.Errorf("read messages of %s: %w", c.room, err)
		}
		records = append(records, r.chat())
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read messages of %s: %w", c.room, err)
	}
	return records, nil
}

func scanMessage(rows driver.Rows) (m MessageRow, err error) {
	var created timestamp
	err = rows.Scan(&created, &m.Seq, &m.MessageID, &m.Kind, &m.UserID, &m.Nickname, &m.Content, &m.IsAdmin, &m.ClientMsgID, &m.ClientTS)
	m.CreatedAt = created.ms()
	return m, err
}
