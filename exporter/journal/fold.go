package journal

import (
	"slices"
	"sort"
)

// Accepted is a cut that holds, with the deliveries that it is sent as: one, or more after splits.
type Accepted struct {
	Cut
	Pos   int64 // journal offset of the cut
	Parts []*Part
}

// Part is one delivery of a cut.
type Part struct {
	ID          string
	First, Last int64
	IsLastBatch bool
	Closed      bool
}

// At is a record with its journal offset.
type At struct {
	Pos int64
	Record
}

// Change tells what one record did. At most one field besides Closed is set.
type Change struct {
	Accepted *Accepted // a new cut holds
	Refused  *Cut      // an earlier cut overlaps it, or it is about records that are closed
	Split    *Accepted // its Parts have changed
	Closed   []Closed  // deliveries that were open, or room events
	Lost     *Lost     // records below its To are over; open cuts that held one of them are void
}

// State is the fold of one stream's records in one partition of the journal. It keeps what is open, and of what is closed no more than is
// needed to tell late records from good ones. It is not safe for concurrent use.
type State struct {
	stream string
	commit int64
	floor  int64 // records below it are lost, if they were not closed
	next   int64
	rooms  map[string]*room
}

// NewState starts a fold for a stream whose committed offset is commit: everything below it is closed, or not of the stream.
func NewState(stream string, commit int64) *State {
	return &State{stream: stream, commit: commit, rooms: map[string]*room{}}
}

// Load folds what a new owner reads, from the journal position of its commit to the journal's end. A cut that begins below the commit
// counts only if a record that closes it names its very offset: it was then closed before the commit was made. Other such cuts were
// refused by somebody who knew the earlier ones.
func (s *State) Load(records []At) {
	confirmed := map[int64]bool{}
	for _, r := range records {
		for _, c := range closedBy(r.Record) {
			confirmed[c.Cut] = true
		}
	}
	for _, r := range records {
		if c, ok := r.Record.(*Cut); ok && c.First < s.commit && confirmed[r.Pos] && c.Stream == s.stream {
			s.next = max(s.next, r.Pos+1)
			s.accept(r.Pos, c)
			continue
		}
		s.Apply(r.Pos, r.Record)
	}
}

// Apply folds the record at journal offset pos. Records of other streams change nothing. Records must come in order.
func (s *State) Apply(pos int64, r Record) Change {
	s.next = max(s.next, pos+1)
	if r.StreamName() != s.stream {
		return Change{}
	}
	switch r := r.(type) {
	case *Cut:
		if r.First < s.commit || r.First < s.floor || r.First > r.Last || s.covered(r.Room, r.First, r.Last) {
			return Change{Refused: r}
		}
		return Change{Accepted: s.accept(pos, r)}
	case *Split:
		return Change{Split: s.split(r)}
	case *Lost:
		s.floor = max(s.floor, r.To)
		s.void()
		return Change{Lost: r}
	default:
		var ch Change
		for _, c := range closedBy(r) {
			if s.close(pos, c) {
				ch.Closed = append(ch.Closed, c)
			}
		}
		return ch
	}
}

func (s *State) room(id string) *room {
	r := s.rooms[id]
	if r == nil {
		r = &room{}
		s.rooms[id] = r
	}
	return r
}

func (s *State) covered(id string, first, last int64) bool {
	r := s.rooms[id]
	if r == nil {
		return false
	}
	if first <= r.through() {
		return true
	}
	for _, a := range r.open {
		if first <= a.Last && a.First <= last {
			return true
		}
	}
	return false
}

func (s *State) accept(pos int64, c *Cut) *Accepted {
	a := &Accepted{Cut: *c, Pos: pos, Parts: []*Part{{ID: c.ID, First: c.First, Last: c.Last, IsLastBatch: c.IsLastBatch}}}
	r := s.room(c.Room)
	i := sort.Search(len(r.open), func(i int) bool { return r.open[i].First > c.First })
	r.open = append(r.open, nil)
	copy(r.open[i+1:], r.open[i:])
	r.open[i] = a
	return a
}

func (s *State) find(id string, pos int64) (*room, *Accepted) {
	r := s.rooms[id]
	if r == nil {
		return nil, nil
	}
	for _, a := range r.open {
		if a.Pos == pos {
			return r, a
		}
	}
	return nil, nil
}

// split replaces a part by its halves; of two splits of a part the first holds, since the part is gone then.
func (s *State) split(sp *Split) *Accepted {
	_, a := s.find(sp.Room, sp.Cut)
	if a == nil {
		return nil
	}
	for i, p := range a.Parts {
		if p.ID != sp.ID || p.Closed || sp.At <= p.First || sp.At > p.Last {
			continue
		}
		halves := []*Part{
			{ID: p.ID + ".0", First: p.First, Last: sp.At - 1},
			{ID: p.ID + ".1", First: sp.At, Last: p.Last, IsLastBatch: p.IsLastBatch},
		}
		a.Parts = append(a.Parts[:i:i], append(halves, a.Parts[i+1:]...)...)
		return a
	}
	return nil
}

// close reports whether c was open here, or is a room event not known as closed.
func (s *State) close(pos int64, c Closed) bool {
	if c.Cut == NoCut {
		r := s.room(c.Room)
		fresh := c.Last > r.through()
		r.mark(c.Last, pos)
		return fresh
	}
	r, a := s.find(c.Room, c.Cut)
	if a == nil {
		return false
	}
	found, left := false, false
	for _, p := range a.Parts {
		if p.ID == c.ID && !p.Closed {
			p.Closed, found = true, true
		}
		left = left || !p.Closed
	}
	if !left {
		r.remove(a)
		r.mark(a.Last, a.Pos)
	}
	return found
}

// void drops open cuts that hold a lost record.
func (s *State) void() {
	for _, r := range s.rooms {
		r.open = slices.DeleteFunc(r.open, func(a *Accepted) bool { return a.First < s.floor })
	}
}

// Open returns the accepted cuts of a room that have an open delivery, in log order. The slice is the state's own.
func (s *State) Open(id string) []*Accepted {
	if r := s.rooms[id]; r != nil {
		return r.open
	}
	return nil
}

// AllOpen returns the accepted cuts of all rooms that have an open delivery, in no order.
func (s *State) AllOpen() []*Accepted {
	var out []*Accepted
	for _, r := range s.rooms {
		out = append(out, r.open...)
	}
	return out
}

// IsClosed tells whether the record of a room at an offset is in a closed delivery, below the commit, or lost.
func (s *State) IsClosed(id string, offset int64) bool {
	if offset < s.commit || offset < s.floor {
		return true
	}
	r := s.rooms[id]
	return r != nil && offset <= r.through()
}

// Next is the journal offset behind the last record that was folded.
func (s *State) Next() int64 { return s.next }

// SetNext tells that the journal holds nothing for this stream below pos.
func (s *State) SetNext(pos int64) { s.next = max(s.next, pos) }

// Commit tells that every record below offset is closed, and returns the journal position to put beside that commit: a new owner that
// folds from there comes to the same deliveries. It forgets what is below.
func (s *State) Commit(offset int64) (position int64) {
	s.commit = max(s.commit, offset)
	position = s.next
	for id, r := range s.rooms {
		i := sort.Search(len(r.closed), func(i int) bool { return r.closed[i].last >= s.commit })
		r.closed = append(r.closed[:0], r.closed[i:]...)
		for _, m := range r.closed {
			position = min(position, m.pos)
		}
		for _, a := range r.open {
			position = min(position, a.Pos)
		}
		if len(r.closed) == 0 && len(r.open) == 0 {
			delete(s.rooms, id)
		}
	}
	return position
}
