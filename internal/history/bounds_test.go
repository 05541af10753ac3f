package history

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/testkit"
)

// Whatever a content holds, and whenever it was said, it comes back byte for byte and is counted.
func TestEdgesOfTimeAndContentComeBack(t *testing.T) {
	s := open(t)
	rows := []MessageRow{
		messageRow("room", 0, 1<<48),
		messageRow("room", 1, 1<<48|1),
		messageRow("room", hourMS-1, 1<<48|2),
		messageRow("room", hourMS, 1<<48|3),
		messageRow("room", start, 1<<48|1<<40),
		messageRow("room", event.MaxTimeMS-hourMS, 31<<48|(1<<48-2)),
		messageRow("room", event.MaxTimeMS, 31<<48|(1<<48-1)),
	}
	for i, c := range []string{strings.Repeat("\x00", 65536), "\xff\xfe\x80", strings.Repeat("😀", 16384), "a'b\\c?d`e", "\u2028\r\n\t", "{x:String}", " "} {
		rows[i].Content, rows[i].Nickname, rows[i].ClientMsgID = c, c[:1], c[:1]
		rows[i].ClientTS = []int64{-1 << 63, 1<<63 - 1}[i%2]
	}
	insert(t, s, &Block{Messages: rows})
	for _, w := range []Window{{}, {FromMS: new(int64(-5)), ToMS: new(int64(1 << 62))}, {Snapshot: 1 << 60}} {
		got, info, err := s.MessagePage(t.Context(), MessageQuery{RoomID: "room", Window: w, Page: Page{Number: 1, Size: 100, Asc: true}})
		if err != nil || info.Total != int64(len(rows)) || len(got) != len(rows) {
			t.Fatalf("%+v: %d records, total %d: %v", w, len(got), info.Total, err)
		}
		for i := range got {
			if got[i] != rows[i].chat() {
				t.Errorf("record %d differs: %.200q", i, fmt.Sprint(got[i]))
			}
		}
	}
	for _, w := range []Window{{FromMS: new(int64(1 << 62))}, {ToMS: new(int64(-1))}, {FromMS: new(int64(7)), ToMS: new(int64(5))}, {AfterSeq: 1<<64 - 1}, {BeforeSeq: 1}} {
		got, info, err := s.MessagePage(t.Context(), MessageQuery{RoomID: "room", Window: w, Page: Page{Number: 1, Size: 100}})
		if err != nil || info.Total != 0 || len(got) != 0 {
			t.Errorf("%+v: %d records, total %d: %v", w, len(got), info.Total, err)
		}
	}
	if got, err := s.Rooms(t.Context(), RoomFilter{UpdatedSinceMS: 1 << 62}); err != nil || len(got) != 0 {
		t.Errorf("%d rooms changed since the end of time: %v", len(got), err)
	}
}

// No value is ever read as SQL.
func TestValuesAreNotRead(t *testing.T) {
	s := open(t)
	evil := `x' OR 1=1 -- \' ? ` + "`\x00"
	row := messageRow(evil, start, 1<<48|1)
	session := SessionRow{RoomID: evil, JoinTime: start, SessionID: evil, UserID: evil, Nickname: evil, Incarnation: evil, JoinSeq: 1<<48 | 1}
	insert(t, s, &Block{
		Messages: []MessageRow{row}, Sessions: []SessionRow{session},
		Rooms: []RoomRow{{RoomID: evil, Aspect: AspectCreated, Seq: 1, At: start, RoomName: evil, AdminUserIDs: []string{evil}}},
	})
	got, _, err := s.MessagePage(t.Context(), MessageQuery{RoomID: evil, Kinds: []event.Kind{event.KindMessage, event.Kind(evil)}, Page: Page{Number: 1, Size: 5}})
	if err != nil || len(got) != 1 {
		t.Errorf("%d messages: %v", len(got), err)
	}
	if r, ok, err := s.Room(t.Context(), evil); err != nil || !ok || r.Name != evil || r.AdminUserIDs[0] != evil || r.TotalMessages != 1 || r.CurrentUsers != 1 {
		t.Errorf("room %+v, %v, %v", r, ok, err)
	}
	if open, err := s.OpenSessions(t.Context(), evil); err != nil || len(open) != 1 || open[0].SessionID != evil {
		t.Errorf("open sessions %+v: %v", open, err)
	}
	if c, err := s.RoomCounters(t.Context(), map[string]uint64{evil: 1 << 50}); err != nil || c[evil].TotalJoins != 1 {
		t.Errorf("counters %+v: %v", c, err)
	}
	if got, _, err := s.MessagePage(t.Context(), MessageQuery{RoomID: "x' OR 1=1 -- ", Page: Page{Number: 1, Size: 5}}); err != nil || len(got) != 0 {
		t.Errorf("%d messages of another room: %v", len(got), err)
	}
}

// The statistics of any number of rooms with the longest names can be asked for.
func TestCountersOfManyRooms(t *testing.T) {
	s := open(t)
	b := &Block{}
	below := map[string]uint64{}
	for i := range 2500 {
		id := fmt.Sprintf("%0128d", i)
		b.Sessions = append(b.Sessions, SessionRow{RoomID: id, JoinTime: start, SessionID: "s", UserID: "u", Nickname: "n", Incarnation: "g", JoinSeq: 1<<48 | uint64(i)})
		below[id] = 1 << 50
	}
	insert(t, s, b)
	got, err := s.RoomCounters(t.Context(), below)
	if err != nil || len(got) != 2500 {
		t.Fatalf("%d rooms: %v", len(got), err)
	}
	for id, c := range got {
		if c.CurrentUsers != 1 || c.TotalJoins != 1 {
			t.Fatalf("%s: %+v", id, c)
		}
	}
}

// A context that ends stops the query in the server, not only the wait for it.
func TestCanceledQueriesEndInTheServer(t *testing.T) {
	s := open(t)
	running := func() (n uint64, err error) {
		err = s.conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE query LIKE ?", "%"+s.cfg.Database+"' AND sleepEach%").Scan(&n)
		return n, err
	}
	await := func(want uint64) {
		testkit.Eventually(t, 20*time.Second, func() error {
			n, err := running()
			if err == nil && n != want {
				return fmt.Errorf("%d queries run, want %d", n, want)
			}
			return err
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.conn.Exec(ctx, "SELECT count() FROM numbers(100000) WHERE toString(number) != '"+s.cfg.Database+"' AND sleepEachRow(0.1) = 0 SETTINGS max_block_size = 10, function_sleep_max_microseconds_per_block = 0")
	}()
	await(1)
	cancel()
	if err := <-ended; err == nil {
		t.Error("the query ended well")
	}
	await(0)
}

// A reader that takes its time over a stream holds no connection meanwhile, and the chunks follow the size of the records.
func TestSlowReadersHoldNoConnection(t *testing.T) {
	s := open(t)
	s.chunk = 2000
	rows := make([]MessageRow, 6000)
	for i := range rows {
		rows[i] = messageRow("room", start+int64(i), 1<<48|uint64(i+1))
	}
	insert(t, s, &Block{Messages: rows})
	idle := s.conn.Stats().Open
	n := 0
	_, err := s.EachMessage(t.Context(), MessageQuery{RoomID: "room"}, 0, func(r event.ChatRecord) error {
		if n++; r.Seq != 1<<48|uint64(n) {
			return fmt.Errorf("record %d has seq %d", n, r.Seq)
		}
		if held := s.conn.Stats().Open; held > idle {
			return fmt.Errorf("%d connections are in use, %d when nothing is read", held, idle)
		}
		return nil
	})
	if err != nil || n != len(rows) {
		t.Errorf("%d records of %d: %v", n, len(rows), err)
	}
	var takes []int64
	_, err = s.each([]hour{{count: 50_000}}, 30_000, func(_, take int64) (int64, error) {
		takes = append(takes, take)
		return take * (64 << 10), nil
	})
	if err != nil || takes[0] != 1000 || takes[1] != 128 {
		t.Errorf("chunks of %v...: %v", takes[:2], err)
	}
}
