package history

import (
	"context"
	"fmt"
	"time"
)

// Aspects that Insert writes itself, when the rows of a block and the sets that follow from them are all stored: the greatest seq of a room
// in the block. Below it the history of the room is complete, because a room's records are inserted in the order of the log.
const (
	aspectChatStored     = "chat_stored"
	aspectSessionsStored = "sessions_stored"
)

// storedRows returns the rows that tell how far a block completes its rooms.
func storedRows(b *Block) []RoomRow {
	stored := map[[2]string]*RoomRow{}
	var last *RoomRow
	tell := func(room, aspect string, seq uint64, at int64) {
		if last == nil || last.RoomID != room || last.Aspect != aspect {
			key := [2]string{room, aspect}
			if last = stored[key]; last == nil {
				last = &RoomRow{RoomID: room, Aspect: aspect}
				stored[key] = last
			}
		}
		last.Seq, last.At = max(last.Seq, seq), max(last.At, at)
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		tell(m.RoomID, aspectChatStored, m.Seq, m.CreatedAt)
	}
	for i := range b.Sessions {
		r := &b.Sessions[i]
		tell(r.RoomID, aspectSessionsStored, max(r.JoinSeq, r.LeaveSeq), max(r.JoinTime, r.LeaveTime))
	}
	rows := make([]RoomRow, 0, len(stored))
	for _, r := range stored {
		rows = append(rows, *r)
	}
	return rows
}

// StoredSeq returns the greatest seq of a room in the history of the topic chat, 0 if it has none: up to there the history is complete.
func (s *Store) StoredSeq(ctx context.Context, room string) (uint64, error) {
	return s.stored(ctx, room, aspectChatStored)
}

func (s *Store) stored(ctx context.Context, room, aspect string) (uint64, error) {
	var seq uint64
	err := s.conn.QueryRow(ctx, "SELECT max(seq) FROM "+s.table("rooms_raw")+" WHERE room_id = ? AND aspect = ?", room, aspect).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("read up to where %s is stored: %w", room, err)
	}
	return seq, nil
}

// freeze gives a window a snapshot, if it has none, and cuts it at what the TTL keeps. Snapshot stays 0 when nothing is stored.
func (s *Store) freeze(ctx context.Context, room, aspect string, w Window) (Window, error) {
	if w.Snapshot == 0 {
		seq, err := s.stored(ctx, room, aspect)
		if err != nil {
			return w, err
		}
		w.Snapshot = seq
	}
	return w.keep(s.cfg.TTLDays, time.Now()), nil
}

func sum(hours []hour) (total int64) {
	for _, h := range hours {
		total += h.count
	}
	return total
}

// A stream is read in chunks, each whole before the first of its records is given out: so a slow reader holds no connection, and no query of
// the server runs into its time.
const (
	chunk      = 10_000  // records, at most
	firstChunk = 1000    // records of the first chunk: nothing is known of their size
	chunkBytes = 8 << 20 // what a chunk should have, going by the one before it
)

// each cuts the newest records (all if 0) of hours into chunks and calls read for one after the other, oldest first. read returns the size
// of what it read.
func (s *Store) each(hours []hour, newest int64, read func(first, take int64) (bytes int64, err error)) (truncated bool, err error) {
	total := sum(hours)
	first := int64(0)
	if newest > 0 && total > newest {
		first, truncated = total-newest, true
	}
	for size := min(firstChunk, s.chunk); first < total; {
		take := min(size, total-first)
		bytes, err := read(first, take)
		if err != nil {
			return truncated, err
		}
		first += take
		size = max(1, min(s.chunk, take*chunkBytes/max(bytes, 1)))
	}
	return truncated, nil
}
