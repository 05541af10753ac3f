package exporter

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"splitsync/event"
	"splitsync/exporter/body"
	"splitsync/exporter/journal"
	"splitsync/exporter/send"
	"splitsync/internal/history"
	"splitsync/internal/rooms"
)

// History is what snapshots need of the history.
type History interface {
	Room(ctx context.Context, id string) (r history.Room, ok bool, err error)
	EachMessage(ctx context.Context, q history.MessageQuery, newest int64, f func(event.ChatRecord) error) (truncated bool, err error)
	EachSession(ctx context.Context, q history.SessionQuery, newest int64, f func(event.SessionRecord) error) (truncated bool, err error)
}

// Counter tells how many members a room has now.
type Counter interface {
	Count(room, except string) int64
}

// scribe makes the bodies of snapshots.
type scribe struct {
	cfg     *Callbacks
	history History
	members Counter
	spool   string // folder for big bodies; empty = the system's
	epoch   int
	of      func(room string) int // partition
}

// prefix is a snapshot's id without the hash of its body.
func (s *scribe) prefix(stream Stream, room string) string {
	id := journal.ID{Stream: string(stream), Epoch: s.epoch, Partition: s.of(room), Room: room}.String()
	return id[:len(id)-1] // it has no offset
}

// stats are the newest figures of a room: joins and the peak only grow, so the greater of what the register and the history say is true.
func (s *scribe) stats(r rooms.Room, stored history.Room) event.Stats {
	st := r.Stats
	st.TotalJoins, st.PeakUsers = max(st.TotalJoins, stored.TotalJoins), max(st.PeakUsers, stored.PeakUsers)
	st.CurrentUsers = s.members.Count(r.ID, "")
	if r.Closed {
		st.CurrentUsers = 0
	}
	st.PeakUsers = max(st.PeakUsers, st.CurrentUsers)
	return st
}

// periodic makes the body of the periodic stream.
func (s *scribe) periodic(ctx context.Context, r rooms.Room, last int64) (*snapshot, error) {
	stored, _, err := s.history.Room(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	stats := s.stats(r, stored)
	active := max(r.LastActivityMS, stored.LastActivityMS)
	info := event.RoomInfo{
		RoomID: r.ID, RoomName: r.Name, AdminUserIDs: r.AdminUserIDs, CurrentConnections: stats.CurrentUsers,
		CreatedAt: event.Seconds(r.CreatedAtMS), CreatedAtMS: r.CreatedAtMS,
		LastActivity: event.Seconds(active), LastActivityMS: active,
	}
	id, b, err := body.Periodic(s.cfg.bodyCase(), s.prefix(Periodic, r.ID), info,
		event.PeriodicStats{Stats: stats, TotalMessages: stored.TotalMessages}, last, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	return &snapshot{id, send.Bytes(b), func() {}}, nil
}

// legacy makes the old server's whole-room object, on disk.
func (s *scribe) legacy(ctx context.Context, r rooms.Room, _ int64) (snap *snapshot, err error) {
	f, err := spool(s.spool)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	hash := sha256.New()
	w := &legacyWriter{buf: bufio.NewWriterSize(io.MultiWriter(f, hash), 64<<10)}
	if err := s.writeLegacy(ctx, w, r); err != nil {
		return nil, fmt.Errorf("make legacy body of room %s: %w", r.ID, err)
	}
	if err := w.buf.Flush(); err != nil {
		return nil, fmt.Errorf("spool legacy body of room %s: %w", r.ID, err)
	}
	id := s.prefix(Legacy, r.ID) + hex.EncodeToString(hash.Sum(nil)[:16])
	if _, err := f.WriteString(`,"event_id":"` + id + `"}`); err != nil {
		return nil, fmt.Errorf("spool legacy body of room %s: %w", r.ID, err)
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	return &snapshot{id, spooled{f, size}, func() { _ = f.Close() }}, nil
}

// legacyWriter writes the pieces of an object.
type legacyWriter struct {
	buf *bufio.Writer
	n   int
}

func (w *legacyWriter) list(name string) error {
	w.n = 0
	_, err := w.buf.WriteString(`,"` + name + `":[`)
	return err
}

func (w *legacyWriter) item(v any) error {
	b, err := event.Marshal(v)
	if err != nil {
		return err
	}
	if w.n++; w.n > 1 {
		if err := w.buf.WriteByte(','); err != nil {
			return err
		}
	}
	_, err = w.buf.Write(b)
	return err
}

// writeLegacy writes the object without its end. Its time lets no later snapshot have the id of an earlier one: a receiver that dedupes would
// keep the state in between.
func (s *scribe) writeLegacy(ctx context.Context, w *legacyWriter, r rooms.Room) error {
	stored, _, err := s.history.Room(ctx, r.ID)
	if err != nil {
		return err
	}
	stats := s.stats(r, stored)
	start := event.Seconds(r.CreatedAtMS)
	head, err := event.Marshal(event.LegacyRoom{
		RoomID: r.ID, AdminUserIDs: r.AdminUserIDs, StartTime: start, StartTimeMS: r.CreatedAtMS, Stats: stats,
		Nested: event.LegacyStats{StartTime: start, Stats: stats},
	})
	if err != nil {
		return err
	}
	if _, err := w.buf.Write(head[:len(head)-1]); err != nil {
		return err
	}
	newest := int64(s.cfg.Data.MaxRecords)
	if err := w.list("chat_history"); err != nil {
		return err
	}
	cutChat, err := s.history.EachMessage(ctx, history.MessageQuery{RoomID: r.ID}, newest, func(m event.ChatRecord) error { return w.item(m) })
	if err != nil {
		return err
	}
	if err := w.buf.WriteByte(']'); err != nil {
		return err
	}
	if err := w.list("session_history"); err != nil {
		return err
	}
	cutSessions, err := s.history.EachSession(ctx, history.SessionQuery{RoomID: r.ID}, newest, func(m event.SessionRecord) error { return w.item(m) })
	if err != nil {
		return err
	}
	end := "]"
	if cutChat || cutSessions {
		end += `,"truncated":true`
	}
	_, err = fmt.Fprintf(w.buf, `%s,"timestamp_ms":%d`, end, time.Now().UnixMilli())
	return err
}

// spool opens a file that has no name any more, so that nothing is left of it whatever happens.
func spool(dir string) (*os.File, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make spool folder: %w", err)
		}
	}
	f, err := os.CreateTemp(dir, "splitsync-callback-")
	if err != nil {
		return nil, fmt.Errorf("open spool file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open spool file: %w", err)
	}
	return f, nil
}

// spooled is a body on disk.
type spooled struct {
	f    *os.File
	size int64
}

// Open implements send.Body.
func (s spooled) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.f, 0, s.size)), nil
}

// Size implements send.Body.
func (s spooled) Size() int64 { return s.size }
