package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	gocmp "github.com/google/go-cmp/cmp"

	"splitsync/event"
)

// A reader never sees half of what an insert brings: every page that is read while records come is a page of the records up to its
// snapshot, with the exact number of them.
func TestPagesReadDuringInserts(t *testing.T) {
	s := open(t)
	s.readable = 0
	rng := rand.New(rand.NewPCG(5, 5))
	rows := messageRows(rng, "room", 6000)
	for i := range rows {
		rows[i].Kind = string(event.KindMessage)
	}
	ctx, done := context.WithCancel(t.Context())
	var inserting sync.WaitGroup
	inserting.Go(func() {
		defer done()
		for rest := rows; len(rest) > 0; {
			n := min(len(rest), 100+rng.IntN(300))
			insert(t, s, &Block{Messages: rest[:n]})
			rest = rest[n:]
		}
	})
	defer inserting.Wait()
	pick := rand.New(rand.NewPCG(6, 6))
	for reads := 0; ctx.Err() == nil || reads < 20; reads++ {
		q := MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: 250, Asc: pick.IntN(2) == 0}}
		_, info, err := s.MessagePage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if info.Pages == 0 {
			continue
		}
		q.Number, q.Snapshot = 1+pick.IntN(int(info.Pages)), info.Snapshot
		got, again, err := s.MessagePage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		visible := rows[:slices.IndexFunc(rows, func(r MessageRow) bool { return r.Seq == info.Snapshot })+1]
		if info != again || info.Total != int64(len(visible)) {
			t.Fatalf("%+v, then %+v, want %d", info, again, len(visible))
		}
		var want []event.ChatRecord
		for i := range visible {
			want = append(want, visible[i].chat())
		}
		if !q.Asc {
			slices.Reverse(want)
		}
		want = want[(q.Number-1)*q.Size : min(q.Number*q.Size, len(want))]
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v:\n%s", q, diff)
		}
	}
}

// Records of an older system have low seqs (log epoch 0) and times of their own, also in hours that hold live ones.
func TestPagesWithImportsAmongLiveRecords(t *testing.T) {
	s := open(t)
	s.readable = 0
	rng := rand.New(rand.NewPCG(8, 8))
	live := messageRows(rng, "room", 400)
	old := messageRows(rng, "room", 400)
	for i := range old {
		old[i].Seq, old[i].CreatedAt = uint64(len(old)-i), live[i].CreatedAt-rng.Int64N(hourMS)
	}
	all := slices.Concat(live, old)
	insertShuffled(t, rng, all, func(b []MessageRow) { insert(t, s, &Block{Messages: b}) })
	slices.SortFunc(all, func(a, b MessageRow) int {
		if a.CreatedAt != b.CreatedAt {
			return int(a.CreatedAt - b.CreatedAt)
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	var want, got []uint64
	for _, r := range all {
		if r.Kind == string(event.KindMessage) {
			want = append(want, r.Seq)
		}
	}
	q := MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: 90, Asc: true}}
	for ; ; q.Number++ {
		page, _, err := s.MessagePage(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got = append(got, r.Seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d records, want %d", len(got), len(want))
	}
}

// Readers cut rows and counts at the same whole hour, whether ClickHouse has deleted them or not.
func TestReadersCutWhatTheTTLDeletes(t *testing.T) {
	s := open(t)
	now := time.Now().UnixMilli()
	cut := firstKept(2, time.Now())
	old := []MessageRow{messageRow("room", cut-1, 1<<48|1), messageRow("room", cut-3*hourMS, 1<<48|2)}
	kept := []MessageRow{messageRow("room", cut+hourMS, 1<<48|3), messageRow("room", now, 1<<48|4)}
	insert(t, s, &Block{
		Messages: slices.Concat(old, kept),
		Rooms:    []RoomRow{{RoomID: "room", Aspect: AspectCreated, Seq: 1 << 48, At: cut - 5*hourMS}},
	})
	s.cfg.TTLDays = 2
	page, info, err := s.MessagePage(t.Context(), MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: 10}})
	if err != nil || len(page) != 2 || info.Total != 2 {
		t.Errorf("%d records, total %d, want 2: %v", len(page), info.Total, err)
	}
	if r, _, err := s.Room(t.Context(), "room"); err != nil || r.TotalMessages != 2 {
		t.Errorf("room tells of %d messages, want 2: %v", r.TotalMessages, err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left uint64
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE "+s.table("chat_messages_raw")+" FINAL"); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.QueryRow(t.Context(), "SELECT count() FROM "+s.table("chat_messages_raw")).Scan(&left); err != nil || left != 2 {
		t.Errorf("%d rows are left, want 2: %v", left, err)
	}
}

func TestFatesOfErrors(t *testing.T) {
	s := open(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name            string
		err             error
		data, transient bool
	}{
		{"none", nil, false, false},
		{"statement", s.conn.Exec(t.Context(), "SELEC"), false, false},
		{"table", s.conn.Exec(t.Context(), "SELECT * FROM nowhere"), false, false},
		{"canceled", s.conn.Exec(canceled, "SELECT 1"), false, false},
		{"data", s.conn.Exec(t.Context(), "SELECT toUInt8('x')"), true, false},
		{"memory", &clickhouse.Exception{Code: 241}, false, true},
		{"connection", errors.New("connection refused"), false, true},
	} {
		if IsData(tt.err) != tt.data || IsTransient(tt.err) != tt.transient {
			t.Errorf("%s: data %v, transient %v: %v", tt.name, IsData(tt.err), IsTransient(tt.err), tt.err)
		}
	}
}

// A word is found by the text index.
func TestTextIndexIsUsed(t *testing.T) {
	s := open(t)
	rows := make([]MessageRow, 5000)
	for i := range rows {
		rows[i] = messageRow("room", start+int64(i), 1<<48|uint64(i))
	}
	rows[4321].Content = "a needle in the hay"
	insert(t, s, &Block{Messages: rows})
	var seq uint64
	err := s.conn.QueryRow(t.Context(), "SELECT seq FROM "+s.table("chat_messages_raw")+
		" WHERE hasToken(content, 'needle') SETTINGS force_data_skipping_indices = 'content_text'").Scan(&seq)
	if err != nil || seq != rows[4321].Seq {
		t.Errorf("seq %d: %v", seq, err)
	}
}
