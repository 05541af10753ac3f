package journal

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
)

func newCut(room string, first, last int64) *Cut {
	return &Cut{Stream: "chat", ID: fmt.Sprintf("chat:1:0:%s:%d", room, first), Room: room, First: first, Last: last}
}

func done(pos int64, c *Cut) *Done {
	return &Done{Stream: "chat", Deliveries: []Closed{{ID: c.ID, Room: c.Room, Cut: pos, First: c.First, Last: c.Last}}}
}

func TestTheFirstOfOverlappingCutsHolds(t *testing.T) {
	s := NewState("chat", 0)
	if ch := s.Apply(10, newCut("a", 5, 8)); ch.Accepted == nil || ch.Accepted.Pos != 10 {
		t.Fatalf("%+v", ch)
	}
	for _, late := range []*Cut{newCut("a", 5, 8), newCut("a", 5, 12), newCut("a", 1, 5), newCut("a", 8, 9), newCut("a", 1, 20)} {
		if ch := s.Apply(11, late); ch.Refused == nil {
			t.Errorf("%d-%d is accepted beside 5-8", late.First, late.Last)
		}
	}
	if ch := s.Apply(12, newCut("a", 20, 30)); ch.Accepted == nil {
		t.Error("20-30 is refused, though nothing overlaps it")
	}
	if ch := s.Apply(13, newCut("b", 6, 9)); ch.Accepted == nil {
		t.Error("a cut of another room is refused")
	}
	if ch := s.Apply(14, &Cut{Stream: "sessions", Room: "c", First: 1, Last: 2}); ch.Accepted != nil || ch.Refused != nil {
		t.Error("a cut of another stream is looked at")
	}
	if s.Next() != 15 {
		t.Errorf("next is %d", s.Next())
	}
}

func TestClosedRecordsAreNotCutAgain(t *testing.T) {
	s := NewState("chat", 0)
	c := newCut("a", 5, 8)
	s.Apply(10, c)
	if ch := s.Apply(11, done(10, c)); len(ch.Closed) != 1 {
		t.Fatalf("%+v", ch)
	}
	if ch := s.Apply(12, done(10, c)); len(ch.Closed) != 0 {
		t.Error("a second done closes again")
	}
	if ch := s.Apply(13, newCut("a", 5, 12)); ch.Refused == nil {
		t.Error("closed records are cut again")
	}
	if !s.IsClosed("a", 8) || s.IsClosed("a", 9) || s.IsClosed("b", 5) {
		t.Error("IsClosed is wrong")
	}
}

func TestSplitsMakeHalves(t *testing.T) {
	s := NewState("chat", 0)
	c := newCut("a", 0, 9)
	c.IsLastBatch = true
	s.Apply(1, c)
	a := s.Apply(2, &Split{Stream: "chat", ID: c.ID, Room: "a", Cut: 1, At: 4}).Split
	if a == nil || len(a.Parts) != 2 || a.Parts[0].ID != c.ID+".0" || a.Parts[0].Last != 3 || a.Parts[0].IsLastBatch || !a.Parts[1].IsLastBatch {
		t.Fatalf("%+v", a)
	}
	if ch := s.Apply(3, &Split{Stream: "chat", ID: c.ID, Room: "a", Cut: 1, At: 7}); ch.Split != nil {
		t.Error("a second split of one delivery holds")
	}
	if ch := s.Apply(4, &Split{Stream: "chat", ID: c.ID + ".1", Room: "a", Cut: 1, At: 9}); ch.Split == nil || len(ch.Split.Parts) != 3 {
		t.Errorf("%+v", ch)
	}
	for _, p := range []string{".0", ".1.0", ".1.1"} {
		if len(s.Open("a")) != 1 {
			t.Fatalf("closed before %s", p)
		}
		s.Apply(5, &Done{Stream: "chat", Deliveries: []Closed{{ID: c.ID + p, Room: "a", Cut: 1}}})
	}
	if len(s.Open("a")) != 0 || !s.IsClosed("a", 9) {
		t.Error("the cut is open though all its parts are closed")
	}
}

func TestLostRangeVoidsOpenCuts(t *testing.T) {
	s := NewState("chat", 0)
	s.Apply(1, newCut("a", 5, 12))
	s.Apply(2, newCut("a", 20, 22))
	if ch := s.Apply(3, &Lost{Stream: "chat", From: 5, To: 9}); ch.Lost == nil || len(s.Open("a")) != 1 || s.Open("a")[0].First != 20 {
		t.Fatalf("%+v, open %d", ch, len(s.Open("a")))
	}
	if ch := s.Apply(4, newCut("a", 5, 7)); ch.Refused == nil || !s.IsClosed("a", 8) || s.IsClosed("a", 9) {
		t.Error("lost records can be cut again: an id would get other bytes")
	}
	if ch := s.Apply(4, newCut("a", 9, 12)); ch.Accepted == nil {
		t.Error("what is left of a void cut cannot be cut anew")
	}
}

func TestRoomEventsCloseWithoutACut(t *testing.T) {
	s := NewState("room_events", 0)
	ev := func(room string, o int64) Closed {
		return Closed{ID: fmt.Sprint(room, o), Room: room, Cut: NoCut, First: o, Last: o}
	}
	ch := s.Apply(1, &Done{Stream: "room_events", Deliveries: []Closed{ev("a", 1), ev("b", 2), ev("a", 3)}})
	if len(ch.Closed) != 3 {
		t.Fatalf("%+v", ch)
	}
	if !s.IsClosed("a", 3) || s.IsClosed("b", 3) {
		t.Error("IsClosed is wrong")
	}
	if pos := s.Commit(2); pos != 1 {
		t.Errorf("position %d, want that of the done record", pos)
	}
	if pos := s.Commit(4); pos != 2 {
		t.Errorf("position %d, want the end of what was folded", pos)
	}
}

// TestALateCutOfAFormerOwnerIsRefusedByEverybody is the case in which the record that decides lies before the new owner's position.
func TestALateCutOfAFormerOwnerIsRefusedByEverybody(t *testing.T) {
	a, late, other := newCut("a", 5, 8), newCut("a", 5, 12), newCut("b", 9, 9)
	log := []At{{100, a}, {120, other}, {140, late}, {150, done(100, a)}}
	first := NewState("chat", 0)
	first.Load(log)
	if got := first.Commit(9); got != 120 {
		t.Fatalf("position %d", got)
	}
	next := NewState("chat", 9)
	next.Load(log[1:])
	if next.IsClosed("a", 9) || len(next.Open("a")) != 0 {
		t.Error("a refused cut counts for the new owner: its records would be lost")
	}
}

// TestEveryOwnerComesToTheSameDeliveries lets owners with stale knowledge write cuts, and compares what readers find who start at every
// commit that was ever made.
func TestEveryOwnerComesToTheSameDeliveries(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := &world{rng: rng, all: NewState("chat", 0), commits: []commit{{0, 0}}}
		for range 120 {
			w.act()
		}
		for _, c := range w.commits {
			s := NewState("chat", c.offset)
			s.Load(w.log[sort.Search(len(w.log), func(i int) bool { return w.log[i].Pos >= c.position }):])
			for _, room := range rooms {
				if want, got := describe(w.all, room, c.offset), describe(s, room, c.offset); want != got {
					t.Fatalf("seed %d, from %+v, room %s:\n%s\nwant\n%s", seed, c, room, got, want)
				}
			}
		}
	}
}

var rooms = []string{"a", "b", "c"}

type commit struct{ offset, position int64 }

// world is a journal with a true fold of all of it. Record o of the log belongs to rooms[o%3].
type world struct {
	rng     *rand.Rand
	log     []At
	all     *State
	commits []commit
}

func (w *world) append(r Record) {
	pos := int64(len(w.log)) * 2
	w.log = append(w.log, At{pos, r})
	w.all.Apply(pos, r)
}

// act does one thing: mostly a cut by an owner who has not read the last records of the journal.
func (w *world) act() {
	i := int64(w.rng.IntN(len(rooms)))
	room := rooms[i]
	switch w.rng.IntN(5) {
	case 0, 1:
		stale := NewState("chat", 0)
		stale.Load(w.log[:len(w.log)-min(len(w.log), w.rng.IntN(6))])
		first := i
		for stale.IsClosed(room, first) || stale.covered(room, first, first) {
			first += 3
		}
		w.append(newCut(room, first, first+3*int64(w.rng.IntN(4))))
	case 2, 3:
		if open := w.all.Open(room); len(open) > 0 && open[0].First == w.lowest(i) {
			w.append(done(open[0].Pos, &open[0].Cut))
		}
	default:
		low := min(w.lowest(0), w.lowest(1), w.lowest(2))
		fork := NewState("chat", 0)
		fork.Load(w.log)
		w.commits = append(w.commits, commit{low, fork.Commit(low)})
	}
}

// lowest is the lowest record of a room that is not closed.
func (w *world) lowest(i int64) int64 {
	o := i
	for w.all.IsClosed(rooms[i], o) {
		o += 3
	}
	return o
}

func describe(s *State, room string, from int64) string {
	out := ""
	for _, a := range s.Open(room) {
		out += fmt.Sprintf("open %d-%d at %d; ", a.First, a.Last, a.Pos)
	}
	for o := from; o < from+100; o++ {
		if s.IsClosed(room, o) != s.IsClosed(room, o+1) {
			out += fmt.Sprintf("closed to %d", o)
		}
	}
	return out
}
