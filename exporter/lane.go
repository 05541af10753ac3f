package exporter

import (
	"context"
	"sort"

	"splitsync/exporter/body"
	"splitsync/exporter/courier"
	"splitsync/exporter/cut"
	"splitsync/exporter/journal"
	"splitsync/exporter/send"
)

// delivery is one request to be made: the records of an accepted cut, or of a half of it, or one room event.
type delivery struct {
	id          string
	room        string
	first, last int64
	cutPos      int64        // journal offset of the cut, journal.NoCut for a room event
	cut         *journal.Cut // nil for a room event
	isLastBatch bool
	items       []cut.Item
	size        int64 // of the items in the buffers
	over        bool  // answered with 2xx or dead-lettered; the journal will say so
	splitting   bool  // it waits for its halves
}

// lane holds the deliveries of a room that the journal does not know as closed, in log order; never empty.
type lane struct {
	open []*delivery
	out  *delivery // the one that is with the courier, or being dead-lettered or split
}

func (p *partition) lane(room string) *lane {
	l := p.lanes[room]
	if l == nil {
		l = &lane{}
		p.lanes[room] = l
	}
	return l
}

// put keeps the order.
func (l *lane) put(d *delivery) {
	i := sort.Search(len(l.open), func(i int) bool { return l.open[i].first > d.first })
	l.open = append(l.open, nil)
	copy(l.open[i+1:], l.open[i:])
	l.open[i] = d
}

// covering returns the delivery that holds an offset, or nil.
func (l *lane) covering(offset int64) *delivery {
	i := sort.Search(len(l.open), func(i int) bool { return l.open[i].last >= offset })
	if i < len(l.open) && l.open[i].first <= offset {
		return l.open[i]
	}
	return nil
}

func (l *lane) find(id string) *delivery {
	for _, d := range l.open {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (l *lane) drop(d *delivery) {
	for i := range l.open {
		if l.open[i] == d {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

// close removes a delivery that the journal knows as closed.
func (p *partition) close(ctx context.Context, c journal.Closed) {
	l := p.lanes[c.Room]
	if l == nil {
		return
	}
	d := l.find(c.ID)
	if d == nil {
		return
	}
	p.remove(l, d)
	p.advance(ctx, c.Room)
}

// remove forgets a delivery.
func (p *partition) remove(l *lane, d *delivery) {
	l.drop(d)
	delete(p.partial, d)
	p.used.Add(-d.size)
	if len(l.open) == 0 && l.out == nil {
		delete(p.lanes, d.room)
	}
}

// advance hands the room's next delivery to the courier, if it is whole, nothing of the room stands before it and none is out.
func (p *partition) advance(ctx context.Context, room string) {
	l := p.lanes[room]
	if l == nil || l.out != nil {
		return
	}
	if len(l.open) == 0 {
		delete(p.lanes, room)
		return
	}
	for _, d := range l.open {
		if d.over {
			continue
		}
		first := p.waiting.First(room)
		if _, partial := p.partial[d]; partial || first >= 0 && first < d.first {
			return
		}
		if d.cut != nil && d.id == d.cut.ID && len(d.items) != d.cut.Records {
			p.fail(&haltError{"the log holds other records than the cut " + d.id})
			return
		}
		if p.courier.Submit(ctx, p.parcel(ctx, d)) {
			l.out = d
		}
		return
	}
}

// parcel is what the courier gets of a delivery. Its functions run elsewhere, and touch only what no longer changes.
func (p *partition) parcel(ctx context.Context, d *delivery) *courier.Parcel {
	return &courier.Parcel{
		ID: d.id, Room: d.room, Records: len(d.items), Live: p.gen.Live,
		Body: func() (send.Body, error) { return p.bytes(d) },
		End: func(r courier.Report) {
			p.mail.post(func() { p.ended(ctx, d, r) })
		},
		Tried: p.tried,
	}
}

// bytes makes the body of a delivery: the same each time, here and in every other process.
func (p *partition) bytes(d *delivery) (send.Body, error) {
	if d.cut == nil {
		return send.Bytes(d.items[0].Body), nil
	}
	records := make([][]byte, len(d.items))
	for i := range d.items {
		records[i] = d.items[i].Body
	}
	b, err := p.batch(body.Batch{
		ID: d.id, Room: d.room, Topic: p.topic, Partition: p.claim.Partition,
		First: d.first, Last: d.last, IsLastBatch: d.isLastBatch,
		Version: d.cut.Body, Case: body.Case(d.cut.Case), CreatedAtMS: d.items[len(d.items)-1].CreatedAt,
	}, records)
	return send.Bytes(b), err
}

// ended decides what follows from the courier's report.
func (p *partition) ended(ctx context.Context, d *delivery, r courier.Report) {
	l := p.lanes[d.room]
	if l == nil {
		return
	}
	if l.find(d.id) == nil { // closed or split by a former owner meanwhile
		l.out = nil
		p.advance(ctx, d.room)
		return
	}
	switch r.Verdict {
	case courier.Delivered:
		d.over, l.out = true, nil
		p.metrics.Delivered.WithLabelValues(string(p.name)).Inc()
		p.metrics.Records.WithLabelValues(string(p.name)).Add(float64(len(d.items)))
		p.done = append(p.done, closed(d))
		p.advance(ctx, d.room)
	case courier.TooBig:
		p.split(ctx, d)
	case courier.Refused:
		p.bury(ctx, d, r)
	}
}

func closed(d *delivery) journal.Closed {
	return journal.Closed{ID: d.id, Room: d.room, Cut: d.cutPos, First: d.first, Last: d.last}
}

// biggest is the room that holds most of this partition's buffers.
func (p *partition) biggest() string {
	room, most := "", int64(0)
	for id, l := range p.lanes {
		var held int64
		for _, d := range l.open {
			held += d.size
		}
		if held > most {
			room, most = id, held
		}
	}
	return room
}
