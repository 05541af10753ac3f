package history

import "github.com/google/uuid"

// columns are the buffers in which the fields of rows are gathered, a slice a column. They are used again by the next insert.
type columns struct {
	text    [8][]string
	numbers [4][]uint64
	signed  [4][]int64
	small   []uint16
	flags   []bool
	ids     []uuid.UUID
	lists   [][]string
}

// gather fills a buffer with one field of all rows.
func gather[R, V any](buffer *[]V, rows []R, field func(*R) V) []V {
	values := (*buffer)[:0]
	for i := range rows {
		values = append(values, field(&rows[i]))
	}
	*buffer = values
	return values
}

// messages returns the columns of MessageRow, in the order of its fields.
func (c *columns) messages(rows []MessageRow) []any {
	return []any{
		gather(&c.text[0], rows, func(r *MessageRow) string { return r.RoomID }),
		gather(&c.signed[0], rows, func(r *MessageRow) int64 { return r.CreatedAt }),
		gather(&c.numbers[0], rows, func(r *MessageRow) uint64 { return r.Seq }),
		gather(&c.ids, rows, func(r *MessageRow) uuid.UUID { return r.MessageID }),
		gather(&c.text[1], rows, func(r *MessageRow) string { return r.Kind }),
		gather(&c.text[2], rows, func(r *MessageRow) string { return r.UserID }),
		gather(&c.text[3], rows, func(r *MessageRow) string { return r.Nickname }),
		gather(&c.text[4], rows, func(r *MessageRow) string { return r.Content }),
		gather(&c.flags, rows, func(r *MessageRow) bool { return r.IsAdmin }),
		gather(&c.text[5], rows, func(r *MessageRow) string { return r.ClientMsgID }),
		gather(&c.signed[1], rows, func(r *MessageRow) int64 { return r.ClientTS }),
		gather(&c.small, rows, func(r *MessageRow) uint16 { return r.Partition }),
		gather(&c.numbers[1], rows, func(r *MessageRow) uint64 { return r.Offset }),
	}
}

// sessions returns the columns of SessionRow, in the order of its fields.
func (c *columns) sessions(rows []SessionRow) []any {
	return []any{
		gather(&c.text[0], rows, func(r *SessionRow) string { return r.RoomID }),
		gather(&c.signed[0], rows, func(r *SessionRow) int64 { return r.JoinTime }),
		gather(&c.text[1], rows, func(r *SessionRow) string { return r.SessionID }),
		gather(&c.text[2], rows, func(r *SessionRow) string { return r.UserID }),
		gather(&c.text[3], rows, func(r *SessionRow) string { return r.Nickname }),
		gather(&c.text[4], rows, func(r *SessionRow) string { return r.Incarnation }),
		gather(&c.numbers[0], rows, func(r *SessionRow) uint64 { return r.JoinSeq }),
		gather(&c.numbers[1], rows, func(r *SessionRow) uint64 { return r.LeaveSeq }),
		gather(&c.signed[1], rows, func(r *SessionRow) int64 { return r.LeaveTime }),
		gather(&c.text[5], rows, func(r *SessionRow) string { return r.LeaveReason }),
		gather(&c.small, rows, func(r *SessionRow) uint16 { return r.Partition }),
	}
}

// rooms returns the columns of RoomRow, in the order of its fields.
func (c *columns) rooms(rows []RoomRow) []any {
	return []any{
		gather(&c.text[0], rows, func(r *RoomRow) string { return r.RoomID }),
		gather(&c.text[1], rows, func(r *RoomRow) string { return r.Aspect }),
		gather(&c.numbers[0], rows, func(r *RoomRow) uint64 { return r.Seq }),
		gather(&c.signed[0], rows, func(r *RoomRow) int64 { return r.At }),
		gather(&c.text[2], rows, func(r *RoomRow) string { return r.RoomName }),
		gather(&c.lists, rows, func(r *RoomRow) []string { return r.AdminUserIDs }),
		gather(&c.signed[1], rows, func(r *RoomRow) int64 { return r.CurrentUsers }),
		gather(&c.signed[2], rows, func(r *RoomRow) int64 { return r.PeakUsers }),
		gather(&c.signed[3], rows, func(r *RoomRow) int64 { return r.TotalJoins }),
	}
}

// release lets go of what the rows pointed to, so that an idle buffer holds no text.
func (c *columns) release() {
	for i := range c.text {
		clear(c.text[i][:cap(c.text[i])])
	}
	clear(c.lists[:cap(c.lists)])
}
