package rooms

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// Room is what is known of a room. It belongs to whoever got it.
type Room struct {
	ID             string
	Name           string
	CreatedAtMS    int64 // Unix milliseconds
	CreatedSeq     uint64
	AdminUserIDs   []string
	Closed         bool
	ClosedAtMS     int64 // Unix milliseconds; 0 while open
	ClosedSeq      uint64
	Stats          event.Stats // what ingest told last; see StatsSeq
	StatsSeq       uint64      // the stats hold everything of the sessions log up to here
	LastActivityMS int64       // Unix milliseconds, at least CreatedAtMS
}

// state is a room in the projection. What is in it is replaced, never changed in place, except the maps, which the lock guards.
type state struct {
	meta   *event.MetaRegister
	closed *event.ClosedRegister
	admins event.AdminsRegister
	stats  event.StatsRegister
	flags  map[event.Aspect]map[string]event.FlagRegister // ban, mute → user
}

// Directory is the projection of the topic rooms. It is safe for concurrent use; readers get copies.
type Directory struct {
	table *kafkalog.Table

	mu        sync.RWMutex
	rooms     map[string]*state
	regressed map[event.RegisterKey]bool // the newest record of the key is not the greatest
	changed   chan struct{}              // closed and replaced whenever something was applied
	watchers  []func(Register)
	broken    int
}

// Open prepares the projection; Run fills it.
func Open(l *kafkalog.Log) *Directory {
	d := newDirectory()
	d.table = l.OpenTable(event.Rooms, d.applyRecord)
	return d
}

func newDirectory() *Directory {
	return &Directory{rooms: map[string]*state{}, regressed: map[event.RegisterKey]bool{}, changed: make(chan struct{})}
}

// OnChange has f called after each register that won, from the goroutine of Run and in the order of the log: f must not block. It is to be
// called before Run. The history up to the start comes too, before Ready.
func (d *Directory) OnChange(f func(Register)) { d.watchers = append(d.watchers, f) }

// Run follows the topic until ctx ends.
func (d *Directory) Run(ctx context.Context) error { return d.table.Run(ctx) }

// Ready is closed when everything that was in the topic at the start of Run has been applied.
func (d *Directory) Ready() <-chan struct{} { return d.table.Ready() }

// WaitFor returns when the record at offset has been applied, or ctx ends.
func (d *Directory) WaitFor(ctx context.Context, offset int64) error {
	return d.table.WaitFor(ctx, 0, offset)
}

// WaitRoom returns the room, waiting until it is known or ctx ends: it may just have been created elsewhere.
func (d *Directory) WaitRoom(ctx context.Context, id string) (Room, bool) {
	for {
		d.mu.RLock()
		changed := d.changed
		d.mu.RUnlock()
		if r, ok := d.Get(id); ok {
			return r, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Room{}, false
		}
	}
}

// Get returns a room; ok is false until its creation has been applied.
func (d *Directory) Get(id string) (r Room, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.rooms[id]
	if s == nil || s.meta == nil {
		return Room{}, false
	}
	return s.room(id), true
}

// List returns every room, closed ones too, ordered by id.
func (d *Directory) List() []Room {
	d.mu.RLock()
	out := make([]Room, 0, len(d.rooms))
	for id, s := range d.rooms {
		if s.meta != nil {
			out = append(out, s.room(id))
		}
	}
	d.mu.RUnlock()
	slices.SortFunc(out, func(a, b Room) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Banned tells whether the user may not enter the room.
func (d *Directory) Banned(room, user string) bool { return d.flag(room, event.AspectBan, user) }

// Muted tells whether the user may not speak in the room.
func (d *Directory) Muted(room, user string) bool { return d.flag(room, event.AspectMute, user) }

// IsAdmin tells whether the user is an admin of the room.
func (d *Directory) IsAdmin(room, user string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.rooms[room]
	return s != nil && slices.Contains(s.admins.AdminUserIDs, user)
}

// Seq returns the seq of the register's value, 0 if it was never written.
func (d *Directory) Seq(key event.RegisterKey) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if r, ok := d.register(key); ok {
		return r.Seq()
	}
	return 0
}

// Regressed returns the registers whose newest record is not the greatest, because a slow writer's came later. Compaction would keep the
// wrong one: the ingest owner of the room's partition writes these values again. They stay listed until that has been applied.
func (d *Directory) Regressed() []Register {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []Register
	for key := range d.regressed {
		if r, ok := d.register(key); ok {
			out = append(out, r)
		}
	}
	return out
}

// Broken returns how many records could not be decoded.
func (d *Directory) Broken() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.broken
}

func (d *Directory) flag(room string, a event.Aspect, user string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.rooms[room]
	return s != nil && s.flags[a][user].Active
}

func (s *state) room(id string) Room {
	r := Room{
		ID: id, Name: s.meta.RoomName, CreatedAtMS: s.meta.CreatedAtMS, CreatedSeq: s.meta.Seq,
		AdminUserIDs: append([]string{}, s.admins.AdminUserIDs...),
		Stats:        s.stats.Stats, StatsSeq: s.stats.Seq, LastActivityMS: max(s.stats.LastActivityMS, s.meta.CreatedAtMS),
	}
	if s.closed != nil {
		r.Closed, r.ClosedAtMS, r.ClosedSeq = true, s.closed.ClosedAtMS, s.closed.Seq
	}
	return r
}

// String tells the size, for logs.
func (d *Directory) String() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return fmt.Sprintf("%d rooms", len(d.rooms))
}
