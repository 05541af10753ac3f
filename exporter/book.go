package exporter

import (
	"context"
	"errors"
	"time"

	"splitsync/exporter/body"
	"splitsync/exporter/cut"
	"splitsync/exporter/journal"
	"splitsync/internal/kafkalog"
)

// maxDone bounds the deliveries that one journal record closes.
const maxDone = 500

// hourLayout names an hour in the journal, in UTC.
const hourLayout = "2006-01-02T15"

// append writes a record to the journal; then runs on the partition's goroutine, with the error of the append if it is not certain.
func (p *partition) append(r journal.Record, key string, then func(err error)) {
	value, err := journal.Encode(r)
	if err != nil {
		p.fail(err)
		return
	}
	out := kafkalog.Outgoing{
		Key: []byte(key), Value: value,
		Headers: []kafkalog.Header{{Key: kafkalog.HeaderType, Value: []byte(r.Type())}},
	}
	p.pending++
	answer := func(err error) {
		p.mail.post(func() {
			p.pending--
			then(err)
		})
	}
	if err := p.journal.Send(p.claim.Partition, out, func(_ int64, err error) { answer(err) }); err != nil {
		answer(err)
	}
}

// propose appends cuts. What they come to is seen when they are read back: here nothing is decided.
func (p *partition) propose(_ context.Context, proposals []cut.Proposal) {
	for _, pr := range proposals {
		if p.err != nil || !p.step(BeforeCut) {
			return
		}
		first, last := pr.Items[0].Offset, pr.Items[len(pr.Items)-1].Offset
		key := proposal{pr.Room, first, last}
		p.proposed[key] = true
		p.metrics.Cuts.WithLabelValues(string(p.name), string(pr.Reason)).Inc()
		c := &journal.Cut{
			Stream: string(p.name), ID: p.id(pr.Room, first, ""), Room: pr.Room, First: first, Last: last,
			Records: len(pr.Items), Hours: hours(pr.Items), Body: body.Version, Case: p.cfg.Case,
			IsLastBatch: pr.IsLastBatch, AtMS: time.Now().UnixMilli(),
		}
		p.append(c, c.ID, func(err error) {
			if err == nil {
				p.step(AfterCut)
				return
			}
			p.trouble("cut", err)
			p.resolve(key)
		})
	}
}

// resolve tells the waiting records that the fate of a proposal is known.
func (p *partition) resolve(key proposal) {
	if p.proposed[key] {
		delete(p.proposed, key)
		p.waiting.Resolved(key.room)
	}
}

// trouble logs an append that has to be repeated.
func (p *partition) trouble(what string, err error) {
	p.throttle.Warn(string(p.name)+"/journal", "journal append is repeated",
		"stream", string(p.name), "partition", p.claim.Partition, "record", what, "error", err.Error())
}

// hours counts records by the UTC hour of their created_at.
func hours(items []cut.Item) map[string]int64 {
	const hour = int64(time.Hour / time.Millisecond)
	counts := map[int64]int64{}
	for i := range items {
		counts[items[i].CreatedAt/hour]++
	}
	out := make(map[string]int64, len(counts))
	for h, n := range counts {
		out[time.UnixMilli(h*hour).UTC().Format(hourLayout)] = n
	}
	return out
}

// fold applies what the journal says.
func (p *partition) fold(ctx context.Context, records []kafkalog.Record) {
	for i := range records {
		r, err := journal.Decode(records[i].Value)
		if errors.Is(err, journal.ErrUnknown) {
			p.fail(&haltError{"the journal holds a record of a newer version"})
			return
		}
		if err != nil {
			p.log.Error("journal record is not readable", "offset", records[i].Offset, "error", err.Error())
			continue
		}
		if _, ok := r.(*journal.Cut); ok && r.StreamName() == string(p.name) && !p.step(BeforeReadBack) {
			return
		}
		p.apply(ctx, p.state.Apply(records[i].Offset, r))
	}
	p.propose(ctx, p.waiting.Ready())
}

func (p *partition) apply(ctx context.Context, ch journal.Change) {
	switch {
	case ch.Accepted != nil:
		a := ch.Accepted
		p.adopt(a)
		p.resolve(proposal{a.Room, a.First, a.Last})
		p.advance(ctx, a.Room)
	case ch.Refused != nil:
		p.resolve(proposal{ch.Refused.Room, ch.Refused.First, ch.Refused.Last})
	case ch.Split != nil:
		p.halve(ctx, ch.Split)
	case ch.Lost != nil:
		p.fail(errAnew) // what is left of void deliveries has to be read again
	}
	for _, c := range ch.Closed {
		p.close(ctx, c)
	}
}

// adopt makes the open deliveries of a cut that holds, of the records that are here already.
func (p *partition) adopt(a *journal.Accepted) {
	if err := body.CheckVersion(a.Body, body.Case(a.Case)); err != nil {
		p.fail(&haltError{err.Error()})
		return
	}
	for _, part := range a.Parts {
		if part.Closed {
			continue
		}
		d := &delivery{
			id: part.ID, room: a.Room, first: part.First, last: part.Last, cutPos: a.Pos, cut: &a.Cut, isLastBatch: part.IsLastBatch,
			items: p.waiting.Take(a.Room, part.First, part.Last),
		}
		for _, it := range d.items {
			d.size += it.Size()
		}
		p.lane(a.Room).put(d)
		if p.position <= d.last {
			p.partial[d] = struct{}{}
		}
	}
}

// flushDone journals what was delivered, one group at a time, so that a room's deliveries close in order.
func (p *partition) flushDone(ctx context.Context) {
	if p.doneBusy || len(p.done) == 0 || p.err != nil || time.Now().Before(p.doneAfter) || !p.step(BeforeDone) {
		return
	}
	group := p.done[:min(len(p.done), maxDone)]
	p.doneBusy = true
	p.append(&journal.Done{Stream: string(p.name), Deliveries: group}, group[0].ID, func(err error) {
		p.doneBusy = false
		if err != nil {
			p.trouble("done", err)
			p.doneAfter = time.Now().Add(retryAppend)
			return
		}
		if p.step(AfterDone) {
			p.done = p.done[len(group):]
		}
	})
}

// retryAppend is the time between two tries of an append that failed.
const retryAppend = 200 * time.Millisecond

// split asks for two halves of a delivery that is too big for the receiver.
func (p *partition) split(ctx context.Context, d *delivery) {
	if !p.step(BeforeSplit) {
		return
	}
	d.splitting = true
	at := d.items[len(d.items)/2].Offset
	p.append(&journal.Split{Stream: string(p.name), ID: d.id, Room: d.room, Cut: d.cutPos, At: at}, d.id, func(err error) {
		if err == nil {
			p.step(AfterSplit)
			return
		}
		p.trouble("split", err)
		p.later(ctx, func() { p.split(ctx, d) })
	})
}

// halve puts the parts of a cut in the place of the delivery that was split.
func (p *partition) halve(ctx context.Context, a *journal.Accepted) {
	l := p.lanes[a.Room]
	if l == nil {
		return
	}
	var halves []*delivery
	gone := map[*delivery]bool{}
	for _, part := range a.Parts {
		if whole := l.covering(part.First); !part.Closed && whole != nil && whole.id != part.ID {
			halves = append(halves, p.half(whole, a, part))
			gone[whole] = true
		}
	}
	for whole := range gone {
		l.drop(whole)
		delete(p.partial, whole)
		if l.out == whole && whole.splitting {
			l.out = nil
		}
	}
	for _, h := range halves {
		l.put(h)
	}
	p.advance(ctx, a.Room)
}

// half makes the delivery of a part out of the whole. The whole is left as it is: it may be on its way.
func (p *partition) half(whole *delivery, a *journal.Accepted, part *journal.Part) *delivery {
	h := &delivery{
		id: part.ID, room: a.Room, first: part.First, last: part.Last, cutPos: a.Pos, cut: &a.Cut, isLastBatch: part.IsLastBatch,
	}
	for _, it := range whole.items {
		if it.Offset >= h.first && it.Offset <= h.last {
			h.items = append(h.items, it)
			h.size += it.Size()
		}
	}
	if _, partial := p.partial[whole]; partial && p.position <= h.last {
		p.partial[h] = struct{}{}
	}
	return h
}

// later runs f on the partition's goroutine after a while, unless ctx ends first.
func (p *partition) later(ctx context.Context, f func()) {
	p.jobs.Add(1)
	go func() {
		defer p.jobs.Done()
		wait := time.NewTimer(retryAppend)
		defer wait.Stop()
		select {
		case <-wait.C:
			p.mail.post(f)
		case <-ctx.Done():
		}
	}()
}

// haltError stops a stream where going on could send other bytes than before.
type haltError struct{ why string }

// Error tells why.
func (e *haltError) Error() string { return e.why }
