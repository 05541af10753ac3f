package history

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"splitsync/event"
	"splitsync/internal/testkit"
)

func TestRooms(t *testing.T) {
	s := open(t)
	rows := []RoomRow{
		{RoomID: "a", Aspect: AspectCreated, Seq: 10, At: start, RoomName: "A", AdminUserIDs: []string{"x"}},
		{RoomID: "a", Aspect: AspectCreated, Seq: 11, At: start + 5, RoomName: "late", AdminUserIDs: []string{"y"}},
		{RoomID: "a", Aspect: AspectAdmins, Seq: 20, At: start + 1000, AdminUserIDs: []string{"x", "z"}},
		{RoomID: "a", Aspect: AspectAdmins, Seq: 15, At: start + 900, AdminUserIDs: []string{}},
		{RoomID: "a", Aspect: AspectStats, Seq: 30, At: start + 2000, CurrentUsers: 1, PeakUsers: 4, TotalJoins: 9},
		{RoomID: "b", Aspect: AspectCreated, Seq: 12, At: start, RoomName: "B"},
		{RoomID: "b", Aspect: AspectClosed, Seq: 40, At: start + 3000},
		{RoomID: "b", Aspect: AspectClosed, Seq: 41, At: start + 4000},
		{RoomID: "unknown", Aspect: AspectStats, Seq: 1, At: start},
	}
	rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for i := range rows {
		insert(t, s, &Block{Rooms: rows[i : i+1]})
	}
	insert(t, s, &Block{
		Messages: []MessageRow{messageRow("a", start+7000, 5), messageRow("a", start+7000, 5)},
		Sessions: []SessionRow{{RoomID: "a", JoinTime: start, SessionID: "s1", JoinSeq: 7, Incarnation: "g1"}, {RoomID: "a", JoinTime: start, SessionID: "s2", JoinSeq: 8, LeaveSeq: 9, LeaveTime: start + 10}},
	})
	got, err := s.Rooms(t.Context(), RoomFilter{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Room{
		{ID: "a", Name: "A", AdminUserIDs: []string{"x", "z"}, CreatedAtMS: start, LastActivityMS: start + 7000, TotalMessages: 1, Stats: event.Stats{CurrentUsers: 1, PeakUsers: 4, TotalJoins: 9}},
		{ID: "b", Name: "B", AdminUserIDs: []string{}, CreatedAtMS: start, ClosedAtMS: start + 3000, LastActivityMS: start + 3000},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		filter RoomFilter
		ids    string
	}{
		{RoomFilter{State: StateOpen}, "a"}, {RoomFilter{State: StateClosed}, "b"}, {RoomFilter{State: StateAll, Limit: 1}, "a"},
		{RoomFilter{After: "a"}, "b"}, {RoomFilter{UpdatedSinceMS: start + 5000}, "a"}, {RoomFilter{ID: "b"}, "b"}, {RoomFilter{ID: "c"}, ""},
	} {
		rooms, err := s.Rooms(t.Context(), tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range rooms {
			ids = append(ids, r.ID)
		}
		if strings.Join(ids, ",") != tt.ids {
			t.Errorf("%+v: %v, want %s", tt.filter, ids, tt.ids)
		}
	}
	if _, ok, err := s.Room(t.Context(), "unknown"); ok || err != nil {
		t.Errorf("a room without creation: %v %v", ok, err)
	}
}

func TestOpenSessionsAndCounters(t *testing.T) {
	s := open(t)
	joins, leaves := sessionRows(rand.New(rand.NewPCG(9, 9)), "room", 120)
	insert(t, s, &Block{Sessions: slices.Concat(leaves, joins, leaves)})
	ended := map[string]bool{}
	for _, l := range leaves {
		ended[l.SessionID] = true
	}
	open, incarnations := map[string]int{}, []string{}
	for _, j := range joins {
		if !ended[j.SessionID] {
			open[j.Incarnation]++
			incarnations = append(incarnations, j.Incarnation)
		}
	}
	slices.Sort(incarnations)
	got, err := s.OpenIncarnations(t.Context())
	if err != nil || !slices.Equal(got, slices.Compact(incarnations)) {
		t.Errorf("incarnations %v, want %v: %v", got, slices.Compact(incarnations), err)
	}
	for id, n := range open {
		list, err := s.OpenSessions(t.Context(), id)
		if err != nil || len(list) != n {
			t.Errorf("%s has %d open sessions, want %d: %v", id, len(list), n, err)
		}
	}
	for _, below := range []uint64{1, joins[60].JoinSeq, leaves[40].LeaveSeq, 1 << 52} {
		var want RoomCounters
		for _, j := range joins {
			if j.JoinSeq < below {
				want.TotalJoins++
				want.CurrentUsers++
			}
		}
		for _, l := range leaves {
			if l.LeaveSeq < below {
				want.CurrentUsers--
			}
		}
		counters, err := s.RoomCounters(t.Context(), map[string]uint64{"room": below, "nowhere": below})
		if err != nil {
			t.Fatal(err)
		}
		c := counters["room"]
		if len(counters) != 1 || c.TotalJoins != want.TotalJoins || c.CurrentUsers != max(0, want.CurrentUsers) {
			t.Errorf("below %d: %+v, want %+v", below, counters, want)
		}
	}
}

// Every column of a row struct is in the schema, and every column without a default is in the struct.
func TestRowsMatchTheSchema(t *testing.T) {
	s := open(t)
	for table, row := range map[string]any{"chat_messages_raw": MessageRow{}, "user_sessions_raw": SessionRow{}, "rooms_raw": RoomRow{}} {
		rows, err := s.conn.Query(t.Context(), "SELECT name FROM system.columns WHERE database = ? AND table = ? AND default_kind = '' ORDER BY position", s.cfg.Database, table)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(names, columnNames(row)); diff != "" {
			t.Errorf("%s:\n%s", table, diff)
		}
	}
}

func TestMigrateTogetherAndAgain(t *testing.T) {
	addr, database := testkit.ClickHouse(t)
	s, err := Open(t.Context(), Config{Addr: []string{addr}, Database: database, TTLDays: 30}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CheckSchema(t.Context()); err == nil {
		t.Error("an empty database passed the check")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	s.cfg.TTLDays = 0
	if err := s.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.conn.Exec(t.Context(), "INSERT INTO "+s.table("migrations")+" (name, checksum, applied_at) VALUES ('001_chat_messages.sql', 'other', now() + 100)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "001_chat_messages.sql was applied with another text") {
		t.Errorf("a changed migration: %v", err)
	}
}
