package load

import (
	"cmp"
	"slices"
	"sort"
)

// check compares what is stored of a room with what was acknowledged, what its members saw and what the receiver got.
func (p *play) check(r *room, stored []mark) RoomLedger {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := RoomLedger{
		Room: r.id, Acked: len(r.acked), Already: len(r.already), Refused: r.refused, Unknown: len(r.unknown), Stored: len(stored), Delivered: -1,
		Members: len(r.spans), Lost: r.lost, Twice: r.twice, Foreign: r.foreign, Retried: len(r.retried),
	}
	l.Sent = l.Acked + l.Refused + l.Unknown
	l.addOrder(stored, r.retried)
	l.addAcked(stored, r)
	l.addSpans(stored, r.spans)
	if p.cfg.Receiver != nil {
		l.addDelivered(stored, p.cfg.Receiver.marks(r.id))
	}
	return l
}

// addOrder looks at the stored messages themselves: seqs go up, a line is there once, and a user's lines are in the order of the file. Lines that
// were refused at first and sent again may stand behind later ones.
func (l *RoomLedger) addOrder(stored []mark, retried map[int32]bool) {
	lines := map[int32]bool{}
	last := map[int32]int32{}
	seq := uint64(0)
	for _, m := range stored {
		if m.seq <= seq {
			l.Disordered++
		}
		seq = m.seq
		switch {
		case m.line == 0:
			l.Foreign++
		case lines[m.line]:
			l.Twice++
		case m.line < last[m.user] && !retried[m.line]:
			l.Disordered++
		}
		lines[m.line] = true
		if !retried[m.line] {
			last[m.user] = max(last[m.user], m.line)
		}
	}
}

// addAcked finds each acknowledged message in the store, at its place and unchanged. What else is stored must be a line whose answer is missing.
func (l *RoomLedger) addAcked(stored []mark, r *room) {
	known := slices.Concat(r.already, r.acked)
	slices.SortFunc(known, bySeq)
	for i := 1; i < len(known); i++ {
		if known[i].seq == known[i-1].seq {
			l.Twice++ // two lines were told the same place
		}
	}
	unknown := map[int]bool{}
	for _, n := range r.unknown {
		unknown[n] = true
	}
	both(known, stored, func(a mark) { l.Lost++ }, func(s mark) {
		if unknown[int(s.line)] {
			l.Found++
		} else if s.line != 0 {
			l.Foreign++
		}
	}, func(a, s mark) {
		if a.hash != s.hash {
			l.Changed++
		}
	})
}

// addSpans sums up what each member should have seen and compares it with what it saw.
func (l *RoomLedger) addSpans(stored []mark, spans []span) {
	sums := make([]uint64, len(stored)+1)
	for i, m := range stored {
		sums[i+1] = sums[i] + m.hash
	}
	behind := func(seq uint64) int { return sort.Search(len(stored), func(i int) bool { return stored[i].seq > seq }) }
	for _, s := range spans {
		l.Seen += s.count
		from, to := behind(s.from), behind(s.to)
		switch want := to - from; {
		case s.count < want:
			l.Lost += want - s.count
		case s.count > want:
			l.Twice += s.count - want
		case sums[to]-sums[from] != s.sum:
			l.Changed++
		}
	}
}

// addDelivered compares the first deliveries, in the order of their arrival, with the store.
func (l *RoomLedger) addDelivered(stored, delivered []mark) {
	l.Delivered = len(delivered)
	for i := 1; i < len(delivered); i++ {
		if delivered[i].seq < delivered[i-1].seq {
			l.Disordered++
		}
	}
	sorted := slices.Clone(delivered)
	slices.SortFunc(sorted, bySeq)
	for i := 1; i < len(sorted); i++ {
		if sorted[i].seq == sorted[i-1].seq {
			l.Twice++
		}
	}
	sorted = slices.CompactFunc(sorted, func(a, b mark) bool { return a.seq == b.seq })
	both(stored, sorted, func(mark) { l.Lost++ }, func(mark) { l.Foreign++ }, func(s, d mark) {
		if s.hash != d.hash {
			l.Changed++
		}
	})
}

// both walks two lists that ascend by seq.
func both(a, b []mark, onlyA, onlyB func(mark), common func(a, b mark)) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].seq < b[0].seq:
			onlyA(a[0])
			a = a[1:]
		case len(a) == 0 || b[0].seq < a[0].seq:
			onlyB(b[0])
			b = b[1:]
		default:
			common(a[0], b[0])
			a, b = a[1:], b[1:]
		}
	}
}

func bySeq(a, b mark) int { return cmp.Compare(a.seq, b.seq) }

// checkSessions compares the sessions of the run's members with the history and the callbacks.
func (p *play) checkSessions(l *Ledger, finished map[string]bool) {
	s := &l.Sessions
	for _, r := range p.order {
		for _, sp := range r.spans {
			s.Welcomed++
			if !finished[sp.session] {
				s.Lost++
			}
		}
	}
	s.Finished = len(finished)
	if p.cfg.Receiver == nil {
		return
	}
	s.Compared = true
	s.Joined, s.Left, s.Batched = p.cfg.Receiver.sessionCounts(p.cfg.RoomPrefix)
	s.Lost += p.cfg.Receiver.missingSessions(finished)
	l.Faults = append(l.Faults, p.cfg.Receiver.faultList()...)
}
