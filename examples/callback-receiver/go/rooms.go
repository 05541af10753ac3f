package main

import (
	"container/list"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// What the callbacks tell of the rooms is kept in bounded memory: 1,000 rooms (the one silent longest is forgotten), 20 records each, texts cut to
// 200 characters.
const (
	maxRooms  = 1000
	maxRecent = 20
	maxText   = 200
	maxAdmins = 1000
)

// row is a room in /rooms.
type row struct {
	RoomID           string   `json:"room_id"`
	RoomName         string   `json:"room_name"`
	AdminUserIDs     []string `json:"admin_user_ids"`
	Closed           bool     `json:"closed"`
	CurrentUsers     int64    `json:"current_users"`
	PeakUsers        int64    `json:"peak_users"`
	TotalJoins       int64    `json:"total_joins"`
	Events           int64    `json:"events"`
	Messages         int64    `json:"messages"`
	Sessions         int64    `json:"sessions"`
	SnapshotMessages int      `json:"snapshot_messages"` // of the last legacy body
	LastTimestamp    int64    `json:"last_timestamp"`
}

// room is the answer of /rooms/{id}.
type room struct {
	row
	ByType         map[string]int64 `json:"by_type"`
	RecentMessages []recentMessage  `json:"recent_messages"`
	RecentSessions []recentSession  `json:"recent_sessions"`
}

type recentMessage struct {
	UserID    *text        `json:"user_id"`
	Nickname  *text        `json:"nickname"`
	Content   *text        `json:"content"`
	CreatedAt *json.Number `json:"created_at"`
	MessageID *text        `json:"message_id"`
	Seq       *json.Number `json:"seq"`
}

type recentSession struct {
	UserID          *text        `json:"user_id"`
	Nickname        *text        `json:"nickname"`
	JoinTime        *json.Number `json:"join_time"`
	LeaveTime       *json.Number `json:"leave_time"`
	DurationSeconds *json.Number `json:"duration_seconds"`
	SessionID       *text        `json:"session_id"`
}

// text is a string that is cut when it is read.
type text string

// UnmarshalJSON reads a string.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = text(cut(s))
	return nil
}

func cut(s string) string {
	n := 0
	for i := range s {
		if n == maxText {
			return strings.Clone(s[:i])
		}
		n++
	}
	return strings.Clone(s)
}

// rooms are all rooms. Not safe for several goroutines: the store has the lock.
type rooms struct {
	byID   map[string]*list.Element // of *room
	recent *list.List               // the one silent longest at the back
}

func newRooms() *rooms { return &rooms{byID: map[string]*list.Element{}, recent: list.New()} }

func (r *rooms) rows() []row {
	out := make([]row, 0, len(r.byID))
	for _, e := range r.byID {
		out = append(out, e.Value.(*room).row)
	}
	slices.SortFunc(out, func(a, b row) int { return strings.Compare(a.RoomID, b.RoomID) })
	return out
}

// get returns a copy, or nil.
func (r *rooms) get(id string) *room {
	e, ok := r.byID[id]
	if !ok {
		return nil
	}
	c := *e.Value.(*room)
	c.ByType = maps.Clone(c.ByType)
	c.RecentMessages, c.RecentSessions = slices.Clone(c.RecentMessages), slices.Clone(c.RecentSessions)
	return &c
}

func (r *rooms) touch(id string) *room {
	id = cut(id)
	if e, ok := r.byID[id]; ok {
		r.recent.MoveToFront(e)
		return e.Value.(*room)
	}
	made := &room{row: row{RoomID: id, AdminUserIDs: []string{}}, ByType: zeroCounts(), RecentMessages: []recentMessage{}, RecentSessions: []recentSession{}}
	r.byID[id] = r.recent.PushFront(made)
	if len(r.byID) > maxRooms {
		oldest := r.recent.Back()
		r.recent.Remove(oldest)
		delete(r.byID, oldest.Value.(*room).RoomID)
	}
	return made
}

// apply takes a checked body.
func (r *rooms) apply(b *body) {
	if b.kind == kindPing || b.kind == kindUnknown {
		return
	}
	touched := map[string]*room{}
	of := func(id string) *room {
		if id == "" { // CALLBACK_BATCH_GROUPING=partition puts it into each record, everything else into the body
			id = b.RoomID
		}
		if id == "" {
			return &room{} // nobody's
		}
		if touched[id] == nil {
			touched[id] = r.touch(id)
		}
		return touched[id]
	}
	for _, m := range b.Messages {
		to := of(m.RoomID)
		to.Messages++
		to.RecentMessages = push(to.RecentMessages, m.recentMessage)
	}
	for _, s := range b.Sessions {
		to := of(s.RoomID)
		to.Sessions++
		to.RecentSessions = push(to.RecentSessions, s.recentSession)
	}
	if b.RoomID != "" {
		of(b.RoomID).head(b)
	}
	for _, t := range touched {
		t.Events++
		t.ByType[b.kind]++
		t.LastTimestamp = max(t.LastTimestamp, b.Timestamp)
	}
}

func (t *room) head(b *body) {
	switch b.kind {
	case "room_created":
		t.describe(b.RoomName, b.AdminIDs)
	case "room_closed":
		t.Closed = true
		t.count(b.FinalStats)
	case "periodic_sync":
		t.describe(b.RoomInfo.RoomName, b.RoomInfo.AdminUserIDs)
		t.count(b.Stats)
	case kindLegacy:
		t.describe(nil, b.AdminUserIDs)
		t.count(b.stats)
		t.SnapshotMessages = len(b.ChatHistory)
	}
}

func (t *room) describe(name *string, admins []string) {
	if name != nil {
		t.RoomName = cut(*name)
	}
	if admins != nil {
		t.AdminUserIDs = []string{}
		for _, a := range admins[:min(len(admins), maxAdmins)] {
			t.AdminUserIDs = append(t.AdminUserIDs, cut(a))
		}
	}
}

func (t *room) count(s stats) {
	set := func(to *int64, from *int64) {
		if from != nil {
			*to = *from
		}
	}
	set(&t.CurrentUsers, s.CurrentUsers)
	set(&t.PeakUsers, s.PeakUsers)
	set(&t.TotalJoins, s.TotalJoins)
}

// push appends and keeps the newest.
func push[T any](s []T, v T) []T {
	if len(s) == maxRecent {
		s = slices.Delete(s, 0, 1)
	}
	return append(s, v)
}
