package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// errAllRefused is what a block ends with whose rows were all refused, while no other row is known to be good: the fault may be the table's
// and not the rows', so nothing is given up.
var errAllRefused = errors.New("clickhouse refuses every row")

// insert stores the rows of a block, trying until ctx ends. Rows that ClickHouse refuses for their data, while it takes others, are dead
// letters.
func (w *inserter) insert(ctx context.Context, b *block) error {
	if b.Len() == 0 {
		return nil
	}
	return w.s.retry(ctx, "insert", func(ctx context.Context) error {
		ctx, cancel := linger(ctx, finishTime)
		defer cancel()
		err := w.try(ctx, &b.Block)
		if !history.IsData(err) {
			return err
		}
		return w.isolate(ctx, &b.Block)
	})
}

// try stores rows once and remembers one that went in.
func (w *inserter) try(ctx context.Context, rows *history.Block) error {
	if err := w.s.insertRows(ctx, rows); err != nil {
		return err
	}
	first := part(rows, 0, 1)
	w.good = &first
	return nil
}

// isolate stores what can be stored of refused rows and buries the others, if a row that went in before goes in again right after: then the
// rows are at fault and not the server.
func (w *inserter) isolate(ctx context.Context, rows *history.Block) error {
	refused, err := w.bisect(ctx, rows, nil)
	if err != nil {
		return err
	}
	if w.good == nil {
		return errAllRefused
	}
	if err := w.s.insertRows(ctx, w.good); err != nil {
		return fmt.Errorf("insert a row that is known to be good: %w", err)
	}
	letters := make([]letter, 0, len(refused))
	for _, r := range refused {
		l, err := w.s.letterOfRow(ctx, r)
		if err != nil {
			return err
		}
		letters = append(letters, l)
	}
	return w.s.bury(ctx, letters)
}

// refusedRow is one row, alone in its block, and why it was refused.
type refusedRow struct {
	row history.Block
	err error
}

// bisect stores rows by halves and returns those that are refused alone. Other errors end it; to begin anew stores nothing twice.
func (w *inserter) bisect(ctx context.Context, rows *history.Block, refused []refusedRow) ([]refusedRow, error) {
	err := w.try(ctx, rows)
	switch {
	case err == nil:
		return refused, nil
	case !history.IsData(err):
		return refused, err
	case rows.Len() == 1:
		return append(refused, refusedRow{*rows, err}), nil
	}
	half := rows.Len() / 2
	low, high := part(rows, 0, half), part(rows, half, rows.Len())
	if refused, err = w.bisect(ctx, &low, refused); err != nil {
		return refused, err
	}
	return w.bisect(ctx, &high, refused)
}

// part returns the rows from to (not including) of a block, counted over its tables.
func part(b *history.Block, from, to int) history.Block {
	cut := func(n int) (int, int) {
		lo, hi := min(max(from, 0), n), min(max(to, 0), n)
		from, to = from-n, to-n
		return lo, hi
	}
	var out history.Block
	lo, hi := cut(len(b.Messages))
	out.Messages = b.Messages[lo:hi]
	lo, hi = cut(len(b.Sessions))
	out.Sessions = b.Sessions[lo:hi]
	lo, hi = cut(len(b.Rooms))
	out.Rooms = b.Rooms[lo:hi]
	return out
}

// recordOf tells which record a row comes from.
func (s *Server) recordOf(row *history.Block) (slot, int64) {
	at, seq := slot{topic: event.Sessions}, uint64(0)
	switch {
	case len(row.Messages) > 0:
		m := &row.Messages[0]
		return slot{event.Chat, int(m.Partition)}, int64(m.Offset)
	case len(row.Sessions) > 0:
		r := &row.Sessions[0]
		at.partition, seq = int(r.Partition), r.JoinSeq
		if r.LeaveSeq != 0 {
			seq = r.LeaveSeq
		}
	case len(row.Rooms) > 0:
		at.partition, seq = s.log.PartitionOf(row.Rooms[0].RoomID), row.Rooms[0].Seq
	}
	offset, _ := s.log.Meta().OffsetOf(seq)
	return at, offset
}

// letterOfRow reads the record of a refused row back. If retention has deleted it by now, the letter has no value.
func (s *Server) letterOfRow(ctx context.Context, r refusedRow) (letter, error) {
	at, offset := s.recordOf(&r.row)
	records, err := s.log.OpenReader(at.topic, at.partition, offset).Next(ctx)
	var gone *kafkalog.OvertakenError
	switch {
	case errors.As(err, &gone), err == nil && records[0].Offset != offset:
		return letter{slot: at, offset: offset, reason: reasonRefused, detail: codeOf(r.err)}, nil
	case err != nil:
		return letter{}, fmt.Errorf("read refused record of %s at %d: %w", at, offset, err)
	}
	return letterOf(records[0], reasonRefused, codeOf(r.err)), nil
}

// codeOf keeps what an error of ClickHouse says before its message, which may repeat the row's text.
func codeOf(err error) string {
	head, _, _ := strings.Cut(err.Error(), ", message")
	return head
}
