package journal

// maxMarks bounds what is remembered of a room's closed deliveries; older ones are remembered as one, which only makes a new owner read
// more of the journal.
const maxMarks = 64

type room struct {
	closed []mark // ascending in last
	open   []*Accepted
}

// mark remembers closed records up to last; pos is the journal offset from which a reader learns of them.
type mark struct{ last, pos int64 }

func (r *room) through() int64 {
	if len(r.closed) == 0 {
		return -1
	}
	return r.closed[len(r.closed)-1].last
}

func (r *room) remove(a *Accepted) {
	for i := range r.open {
		if r.open[i] == a {
			r.open = append(r.open[:i], r.open[i+1:]...)
			return
		}
	}
}

// mark remembers that everything up to last is closed.
func (r *room) mark(last, pos int64) {
	if last <= r.through() {
		return
	}
	if len(r.closed) == maxMarks {
		r.closed[1].pos = min(r.closed[0].pos, r.closed[1].pos)
		r.closed = append(r.closed[:0], r.closed[1:]...)
	}
	r.closed = append(r.closed, mark{last, pos})
}
