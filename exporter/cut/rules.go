package cut

import (
	"cmp"
	"slices"
)

// Ready proposes what needs no clock: full batches, and records before a cut that holds already.
func (w *Waiting) Ready() []Proposal {
	var out []Proposal
	for id, before := range w.gaps {
		r := w.rooms[id]
		if r == nil || r.proposed > 0 {
			continue
		}
		delete(w.gaps, id)
		n := 0
		for n < len(r.items) && r.items[n].Offset < before {
			n++
		}
		out = w.propose(out, r, n, Gap)
	}
	for _, r := range w.full {
		out = w.propose(out, r, w.wholeBatches(r), Full)
	}
	return out
}

// Due proposes the rooms whose first waiting record is older than the interval at time now (Unix milliseconds): while catching up, the
// created_at of the next record, asked before it is added; at the log's end, the clock. A proposal holds what came within the interval
// of its first record, so that a backlog is cut as it would have been live.
func (w *Waiting) Due(now int64) []Proposal {
	var out []Proposal
	for len(w.ages) > 0 {
		r := w.ages[0]
		until := r.items[0].CreatedAt + w.rules.IntervalMS
		if until > now {
			break
		}
		n := len(r.items)
		for w.rules.IntervalMS > 0 && r.items[n-1].CreatedAt > until {
			n--
		}
		out = w.propose(out, r, n, Age)
	}
	return out
}

// Early proposes rooms with the most waiting bytes first, until need bytes are proposed or nothing is left to propose.
func (w *Waiting) Early(need int64) []Proposal {
	rooms := slices.Clone([]*room(w.ages))
	slices.SortFunc(rooms, func(a, b *room) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.id, b.id))
	})
	var out []Proposal
	for _, r := range rooms {
		if need <= 0 {
			break
		}
		need -= r.size
		out = w.propose(out, r, len(r.items), Early)
	}
	return out
}

// wholeBatches is the number of items at the front of a room that fill batches.
func (w *Waiting) wholeBatches(r *room) int {
	whole := 0
	for {
		n := w.chunk(r.items[whole:])
		if n < w.rules.Records && whole+n == len(r.items) {
			return whole
		}
		whole += n
		if whole == len(r.items) {
			return whole
		}
	}
}

// chunk is the number of items that fit into one body; at least one, unless there are none.
func (w *Waiting) chunk(items []Item) int {
	var bytes int64
	for i, it := range items {
		bytes += inBody(it)
		if i == w.rules.Records || i > 0 && bytes > int64(w.rules.Bytes) {
			return i
		}
	}
	return len(items)
}

// propose appends proposals for the first n items of a room, each within the bounds.
func (w *Waiting) propose(out []Proposal, r *room, n int, why Reason) []Proposal {
	items := r.items[:n]
	for len(items) > 0 {
		c := w.chunk(items)
		out = append(out, Proposal{
			Room: r.id, Items: slices.Clip(items[:c]), Reason: why,
			IsLastBatch: why == Age && c == len(items),
		})
		r.proposed++
		items = items[c:]
	}
	w.order(r)
	return out
}
