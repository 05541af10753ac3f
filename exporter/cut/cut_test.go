package cut

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func item(offset, createdAt int64, size int) Item {
	return Item{Offset: offset, CreatedAt: createdAt, Body: []byte(strings.Repeat("x", size))}
}

// tell writes proposals as room[first-last]reason, sorted, with ! for the last batch.
func tell(ps []Proposal) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = fmt.Sprintf("%s[%d-%d]%s", p.Room, p.Items[0].Offset, p.Items[len(p.Items)-1].Offset, p.Reason)
		if p.IsLastBatch {
			out[i] += "!"
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func settle(w *Waiting, ps []Proposal) {
	for _, p := range ps {
		w.Take(p.Room, p.Items[0].Offset, p.Items[len(p.Items)-1].Offset)
		w.Resolved(p.Room)
	}
}

func TestFullBatches(t *testing.T) {
	w := New(Rules{Records: 3, Bytes: 100, IntervalMS: 1000})
	for i := range int64(7) {
		w.Add("a", item(i, i, 10))
	}
	w.Add("b", item(7, 7, 60))
	w.Add("b", item(8, 8, 60))
	ps := w.Ready()
	if got := tell(ps); got != "a[0-2]full a[3-5]full b[7-7]full" {
		t.Fatal(got)
	}
	if again := w.Ready(); len(again) != 0 {
		t.Errorf("proposed twice: %s", tell(again))
	}
	settle(w, ps)
	if got := tell(w.Due(1006)); got != "a[6-6]age!" {
		t.Errorf("due: %s", got)
	}
	if w.Lowest() != 6 || w.First("b") != 8 || w.Oldest() != 6 {
		t.Errorf("lowest %d, first of b %d, oldest %d", w.Lowest(), w.First("b"), w.Oldest())
	}
}

func TestOneBigRecordGoesAlone(t *testing.T) {
	w := New(Rules{Records: 10, Bytes: 100, IntervalMS: 1000})
	w.Add("a", item(1, 0, 500))
	w.Add("a", item(2, 0, 10))
	if got := tell(w.Ready()); got != "a[1-1]full" {
		t.Error(got)
	}
}

func TestABusyRoomDoesNotMakeItsNeighboursSmall(t *testing.T) {
	w := New(Rules{Records: 100, Bytes: 1 << 20, IntervalMS: 1000})
	for i := range int64(90) {
		w.Add("busy", item(i, i, 50))
	}
	w.Add("quiet", item(90, 90, 50))
	if got := tell(w.Early(1000)); got != "busy[0-89]early" {
		t.Error(got)
	}
}

func TestRecordsBeforeACutThatHoldsDoNotWait(t *testing.T) {
	w := New(Rules{Records: 100, Bytes: 1 << 20, IntervalMS: 1000})
	for i := range int64(10) {
		w.Add("a", item(i, i, 50))
	}
	if got := w.Take("a", 4, 6); len(got) != 3 {
		t.Fatalf("%d taken", len(got))
	}
	if got := tell(w.Ready()); got != "a[0-3]gap" {
		t.Error(got)
	}
}

func TestAnUnresolvedProposalHoldsItsRoomOnly(t *testing.T) {
	w := New(Rules{Records: 2, Bytes: 1 << 20, IntervalMS: 1000})
	w.Add("a", item(0, 0, 1))
	w.Add("a", item(1, 0, 1))
	ps := w.Ready()
	w.Add("a", item(2, 0, 1))
	w.Add("a", item(3, 0, 1))
	w.Add("b", item(4, 0, 1))
	w.Add("b", item(5, 0, 1))
	if got := tell(w.Ready()); got != "b[4-5]full" {
		t.Error(got)
	}
	// Its append failed: it is proposed again, with what came since.
	for range ps {
		w.Resolved("a")
	}
	if got := tell(w.Ready()); got != "a[0-1]full a[2-3]full" {
		t.Error(got)
	}
}

// TestBacklogIsCutLikeLive feeds the same records once with a clock and once as a backlog.
func TestBacklogIsCutLikeLive(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		rules := Rules{Records: 5, Bytes: 400, IntervalMS: 100}
		live, backlog := New(rules), New(rules)
		var fromLive, fromBacklog []string
		now := int64(0)
		for offset := range int64(300) {
			next := now + int64(rng.IntN(60))
			for ; now < next; now++ { // every millisecond passes live
				ps := live.Due(now)
				settle(live, ps)
				fromLive = append(fromLive, tells(ps)...)
			}
			room, it := fmt.Sprint(rng.IntN(6)), item(offset, next, rng.IntN(150))
			ps := backlog.Due(next - 1)
			settle(backlog, ps)
			fromBacklog = append(fromBacklog, tells(ps)...)
			live.Add(room, it)
			backlog.Add(room, it)
			ps = live.Ready()
			settle(live, ps)
			fromLive = append(fromLive, tells(ps)...)
			ps = backlog.Ready()
			settle(backlog, ps)
			fromBacklog = append(fromBacklog, tells(ps)...)
		}
		slices.Sort(fromLive)
		slices.Sort(fromBacklog)
		if !slices.Equal(fromLive, fromBacklog) {
			t.Fatalf("seed %d:\nlive    %v\nbacklog %v", seed, fromLive, fromBacklog)
		}
	}
}

func tells(ps []Proposal) []string {
	var out []string
	for _, p := range ps {
		out = append(out, tell([]Proposal{p}))
	}
	return out
}

// TestNothingIsLostOrTwice does random things and checks that proposals of a room are consecutive and within the bounds.
func TestNothingIsLostOrTwice(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := New(Rules{Records: 4, Bytes: 200, IntervalMS: 50})
		next, all := map[string][]int64{}, map[string][]int64{}
		take := func(ps []Proposal) {
			for _, p := range ps {
				if len(p.Items) > 4 {
					t.Fatalf("seed %d: %d items", seed, len(p.Items))
				}
				for _, it := range p.Items {
					next[p.Room] = append(next[p.Room], it.Offset)
				}
			}
			settle(w, ps)
		}
		for o := range int64(500) {
			room := fmt.Sprint(rng.IntN(4))
			w.Add(room, item(o, o, rng.IntN(120)))
			all[room] = append(all[room], o)
			switch rng.IntN(4) {
			case 0:
				take(w.Ready())
			case 1:
				take(w.Due(o))
			case 2:
				take(w.Early(int64(rng.IntN(500))))
			}
		}
		take(w.Due(1 << 40))
		take(w.Due(1 << 40))
		for take(w.Due(1 << 40)); w.Lowest() >= 0; {
			take(w.Due(1 << 40))
		}
		for room := range all {
			if !slices.Equal(all[room], next[room]) {
				t.Fatalf("seed %d, room %s: %v, want %v", seed, room, next[room], all[room])
			}
		}
		if w.Bytes() != 0 || w.Idle() != 0 || len(w.rooms) != 0 {
			t.Fatalf("seed %d: %d bytes, %d rooms left", seed, w.Bytes(), len(w.rooms))
		}
	}
}
