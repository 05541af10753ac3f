package history

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"splitsync/event"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// open returns a migrated history of the test's own.
func open(t testing.TB) *Store {
	t.Helper()
	addr, database := testkit.ClickHouse(t)
	s, err := Open(t.Context(), Config{Addr: []string{addr}, Database: database, Username: "default"}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func insert(t testing.TB, s *Store, b *Block) {
	t.Helper()
	if err := s.Insert(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

var start = time.Date(2026, 1, 30, 22, 0, 0, 0, time.UTC).UnixMilli() // close to the end of a month

func messageRow(room string, at int64, seq uint64) MessageRow {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[8:], seq)
	return MessageRow{
		RoomID: room, CreatedAt: at, Seq: seq, MessageID: id, Kind: "message", UserID: fmt.Sprint("u", seq%7), Nickname: "nick",
		Content: fmt.Sprintf("text %d\x00\n\"<é🙂", seq), ClientMsgID: fmt.Sprint("c", seq), ClientTS: int64(seq), Partition: 3, Offset: seq,
	}
}

// messageRows makes n records with growing times and gaps from nothing to hours; every ninth is no message.
func messageRows(rng *rand.Rand, room string, n int) []MessageRow {
	at, rows := start, make([]MessageRow, 0, n)
	for i := range n {
		switch rng.IntN(20) {
		case 0:
			at += rng.Int64N(5 * hourMS)
		case 1, 2, 3:
		default:
			at += rng.Int64N(60_000)
		}
		row := messageRow(room, at, 1<<48|uint64(i*3+1))
		if i%9 == 4 {
			row.Kind = string(event.KindSystemMessage)
		}
		rows = append(rows, row)
	}
	return rows
}

// insertShuffled inserts rows in blocks of odd sizes, some of them twice, in no order.
func insertShuffled[R any](t testing.TB, rng *rand.Rand, rows []R, insert func([]R)) {
	t.Helper()
	var blocks [][]R
	for len(rows) > 0 {
		n := min(len(rows), 1+rng.IntN(70))
		blocks = append(blocks, rows[:n])
		if rng.IntN(3) == 0 {
			blocks = append(blocks, rows[:n])
		}
		rows = rows[n:]
	}
	rng.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	for _, b := range blocks {
		insert(b)
	}
}

func randomWindow(rng *rand.Rand, from, to int64, seqs []uint64) Window {
	var w Window
	if rng.IntN(2) == 0 {
		v := from + rng.Int64N(to-from+1)
		w.FromMS = &v
	}
	if rng.IntN(2) == 0 {
		v := from + rng.Int64N(to-from+1)
		w.ToMS = &v
	}
	if rng.IntN(4) == 0 {
		w.AfterSeq = seqs[rng.IntN(len(seqs))]
	}
	if rng.IntN(4) == 0 {
		w.BeforeSeq = seqs[rng.IntN(len(seqs))]
	}
	if rng.IntN(4) == 0 {
		w.Snapshot = seqs[rng.IntN(len(seqs))]
	}
	return w
}

// sees is the naive form of what a window means.
func (w Window) sees(at int64, seq uint64) bool {
	return (w.FromMS == nil || at >= *w.FromMS) && (w.ToMS == nil || at <= *w.ToMS) && seq > w.AfterSeq &&
		(w.BeforeSeq == 0 || seq < w.BeforeSeq) && (w.Snapshot == 0 || seq <= w.Snapshot)
}

func TestMessagePagesEqualTheReference(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := open(t)
	rows := messageRows(rng, "room", 900)
	insertShuffled(t, rng, rows, func(b []MessageRow) { insert(t, s, &Block{Messages: b}) })
	insert(t, s, &Block{Messages: messageRows(rng, "other", 50)})
	seqs := make([]uint64, len(rows))
	for i := range rows {
		seqs[i] = rows[i].Seq
	}
	for range 40 {
		q := MessageQuery{RoomID: "room", Window: randomWindow(rng, start-hourMS, rows[len(rows)-1].CreatedAt+hourMS, seqs)}
		q.Size, q.Asc = 1+rng.IntN(300), rng.IntN(2) == 0
		s.readable = int64(rng.IntN(2) * readable) // look in the sets, or among the rows
		if rng.IntN(3) == 0 {
			q.Kinds = []event.Kind{event.KindMessage, event.KindSystemMessage}
		}
		var want []event.ChatRecord
		for i := range rows {
			if q.sees(rows[i].CreatedAt, rows[i].Seq) && (rows[i].Kind == "message" || len(q.Kinds) > 0) {
				want = append(want, rows[i].chat())
			}
		}
		if !q.Asc {
			slices.Reverse(want)
		}
		var got []event.ChatRecord
		for q.Number = 1; ; q.Number++ {
			page, info, err := s.MessagePage(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if info.Total != int64(len(want)) || info.Pages != int64((len(want)+q.Size-1)/q.Size) {
				t.Fatalf("%+v: total %d in %d pages, want %d", q, info.Total, info.Pages, len(want))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v:\n%s", q, diff)
		}
	}
}

func TestEachMessageStreamsAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	s := open(t)
	rows := messageRows(rng, "room", 500)
	insert(t, s, &Block{Messages: rows})
	var want []uint64
	for _, r := range rows {
		if r.Kind == "message" {
			want = append(want, r.Seq)
		}
	}
	s.readable, s.chunk = 0, 70
	for _, newest := range []int64{0, 1, 37, int64(len(want)), 10_000} {
		var got []uint64
		truncated, err := s.EachMessage(t.Context(), MessageQuery{RoomID: "room"}, newest, func(r event.ChatRecord) error {
			got = append(got, r.Seq)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		expect := want
		if newest > 0 {
			expect = want[max(0, len(want)-int(newest)):]
		}
		if !slices.Equal(got, expect) || truncated != (len(expect) < len(want)) {
			t.Errorf("newest %d: %d records, truncated %v, want %d", newest, len(got), truncated, len(expect))
		}
	}
}

// A page that was read with the snapshot of the first one does not move when records come behind it.
func TestSnapshotFreezesPages(t *testing.T) {
	s := open(t)
	rows := messageRows(rand.New(rand.NewPCG(3, 3)), "room", 300)
	insert(t, s, &Block{Messages: rows[:200]})
	q := MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: 50}}
	_, info, err := s.MessagePage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	q.Number, q.Snapshot = 2, info.Snapshot
	before, _, err := s.MessagePage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, &Block{Messages: rows[200:]})
	after, again, err := s.MessagePage(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(before, after); diff != "" || again.Total != info.Total {
		t.Errorf("total %d then %d:\n%s", info.Total, again.Total, diff)
	}
}
