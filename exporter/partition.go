package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"splitsync/exporter/courier"
	"splitsync/exporter/cut"
	"splitsync/exporter/journal"
	"splitsync/internal/kafkalog"
)

// tick is how often a partition looks at the clock.
const tick = 100 * time.Millisecond

// partition exports one partition of one stream in one generation. Everything in it belongs to the goroutine of run; others talk to it
// by mail and by the channels of the two readers.
type partition struct {
	*stream
	claim   kafkalog.Claim
	gen     lease
	courier *courier.Courier
	log     *slog.Logger
	mail    *mail

	state     *journal.State
	waiting   *cut.Waiting
	lanes     map[string]*lane
	partial   map[*delivery]struct{} // not all of their records have been read
	proposed  map[proposal]bool      // cuts on their way to the journal and back
	done      []journal.Closed       // to be journalled
	doneBusy  bool
	position  int64 // of the log: everything below has been taken in
	end       int64 // of the log, as of the last poll
	committed int64 // last commit that succeeded
	metadata  string
	commitAt  time.Time
	busy      bool  // a commit is on its way
	idleHere  int64 // what of stream.idle is ours
	pending   int   // appends to the journal on their way
	doneAfter time.Time
	jobs      sync.WaitGroup // goroutines that post to mail
	err       error
}

// lease is what a partition needs of its generation.
type lease interface {
	Live() bool
	Commit(ctx context.Context, commits ...kafkalog.Commit) error
}

// proposal identifies a cut on its way.
type proposal struct {
	room        string
	first, last int64
}

// polled is what a reader of the log hands over: entries may be empty.
type polled struct {
	entries       []kafkalog.Entry
	position, end int64
}

func (s *stream) newPartition(claim kafkalog.Claim, gen lease, c *courier.Courier) *partition {
	return &partition{
		stream: s, claim: claim, gen: gen, courier: c, mail: newMail(),
		log:     s.log.With("partition", claim.Partition),
		waiting: cut.New(s.rules), lanes: map[string]*lane{}, partial: map[*delivery]struct{}{}, proposed: map[proposal]bool{},
		committed: -1,
	}
}

// run exports until ctx ends. It fails for what a restart could mend.
func (p *partition) run(ctx context.Context) error {
	begin, err := p.begin(ctx)
	if err != nil {
		return err
	}
	group, workers := errgroup.WithContext(ctx)
	records, journalled := make(chan polled), make(chan []kafkalog.Record)
	group.Go(func() error { return p.follow(workers, begin.tail, records) })
	group.Go(func() error { return p.readBack(workers, begin.journal, journalled) })
	group.Go(func() error {
		err := p.loop(workers, records, journalled)
		if err == nil && workers.Err() == nil {
			err = errEnded
		}
		return err
	})
	err = group.Wait()
	p.drain(ctx)
	p.forget()
	if errors.Is(err, errEnded) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// errEnded lets the readers of a partition end with its loop.
var errEnded = errors.New("partition ended")

// errAnew ends the generation, so that the next one begins from the commit and the journal.
var errAnew = errors.New("begin anew")

// follow reads the log.
func (p *partition) follow(ctx context.Context, t *kafkalog.Tail, out chan<- polled) error {
	for {
		entries, err := t.Poll(ctx)
		if err != nil {
			return err
		}
		select {
		case out <- polled{entries, t.Position(), t.HighWatermark()}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readBack reads the journal.
func (p *partition) readBack(ctx context.Context, r *kafkalog.Reader, out chan<- []kafkalog.Record) error {
	for {
		records, err := r.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case out <- records:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop is the life of the partition. With full buffers it takes no records, unless deliveries wait for some of theirs.
func (p *partition) loop(ctx context.Context, records <-chan polled, journalled <-chan []kafkalog.Record) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for p.err == nil {
		in := records
		if p.full() && len(p.partial) == 0 {
			in = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case batch := <-in:
			p.takeIn(ctx, batch)
		case rs := <-journalled:
			p.fold(ctx, rs)
		case <-p.mail.bell:
			for _, f := range p.mail.take() {
				f()
			}
		case <-clock.C:
			p.byClock(ctx)
		}
		p.flushDone(ctx)
	}
	return p.err
}

// fail ends the partition with an error.
func (p *partition) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// step asks the fault hook; false ends the partition.
func (p *partition) step(at Point) bool {
	if err := p.fault.At(at); err != nil {
		p.fail(err)
		return false
	}
	return true
}

// takeIn adds what was read from the log.
func (p *partition) takeIn(ctx context.Context, in polled) {
	touched := map[string]bool{}
	for i := range in.entries {
		e := &in.entries[i]
		if p.batch != nil {
			// Log time: what is due at this record was due before it.
			p.propose(ctx, p.waiting.Due(e.CreatedAt-1))
		}
		p.position = e.Offset + 1
		room := string(e.Key)
		if e.Err != nil {
			p.metrics.Undecodable.WithLabelValues(string(p.name)).Inc()
			continue
		}
		if e.Duplicate || p.state.IsClosed(room, e.Offset) {
			continue
		}
		if p.add(room, e) {
			touched[room] = true
		}
	}
	p.position, p.end = in.position, in.end
	for d := range p.partial {
		if p.position > d.last {
			delete(p.partial, d)
			touched[d.room] = true
		}
	}
	p.propose(ctx, p.waiting.Ready())
	p.relieve(ctx)
	for room := range touched {
		p.advance(ctx, room)
	}
}

// add puts an entry where it waits: into a delivery whose cut holds, or among the room's waiting records.
func (p *partition) add(room string, e *kafkalog.Entry) bool {
	id := ""
	if p.batch == nil {
		id = p.id(room, e.Offset, singleSuffix(p.cfg.bodyCase()))
	}
	b, ok, err := p.item(e, id)
	if err != nil {
		p.metrics.Undecodable.WithLabelValues(string(p.name)).Inc()
		p.log.Error("record cannot be encoded", "offset", e.Offset, "error", err.Error())
		return false
	}
	if !ok {
		return false
	}
	it := cut.Item{Offset: e.Offset, CreatedAt: e.CreatedAt, Body: b}
	p.used.Add(it.Size())
	if p.batch == nil {
		p.lane(room).put(&delivery{
			id: id, room: room, first: e.Offset, last: e.Offset, cutPos: journal.NoCut, items: []cut.Item{it}, size: it.Size(),
		})
		return true
	}
	if l := p.lanes[room]; l != nil {
		if d := l.covering(e.Offset); d != nil {
			d.items = append(d.items, it)
			d.size += it.Size()
			return true
		}
	}
	p.waiting.Add(room, it)
	return false
}

// id makes the id of a delivery of this partition.
func (p *partition) id(room string, first int64, suffix string) string {
	return journal.ID{
		Stream: string(p.name), Epoch: p.kafka.Meta().Epoch, Partition: p.claim.Partition, Room: room, First: first, Suffix: suffix,
	}.String()
}

// full tells that the stream's buffers are used up.
func (p *partition) full() bool { return p.used.Load() >= p.limit }

// relieve cuts the largest rooms early when records that wait for their time hold half of the stream's buffers: the other half is for
// deliveries that are under way. Partitions that hold less than the average leave it to the others.
func (p *partition) relieve(ctx context.Context) {
	idle := p.waiting.Idle()
	all := p.idle.Add(idle - p.idleHere)
	p.idleHere = idle
	if p.batch != nil && all > p.limit/2 && idle*p.claims.Load() >= all {
		p.propose(ctx, p.waiting.Early(all-p.limit/4))
	}
}

// atEnd tells that everything that was in the log a moment ago has been taken in.
func (p *partition) atEnd() bool { return p.position >= p.end }

// byClock does what is due by the clock.
func (p *partition) byClock(ctx context.Context) {
	now := time.Now()
	if p.batch != nil {
		if p.atEnd() {
			p.propose(ctx, p.waiting.Due(now.UnixMilli()))
		}
		p.propose(ctx, p.waiting.Ready())
		p.relieve(ctx)
	}
	if p.full() {
		if room := p.biggest(); room != "" {
			p.courier.Press(ctx, room)
		}
	}
	if now.Sub(p.commitAt) >= p.commitEvery {
		p.commit(ctx, now)
	}
}
