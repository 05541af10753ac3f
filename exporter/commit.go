package exporter

import (
	"context"
	"strconv"
	"time"

	"splitsync/internal/kafkalog"
)

// low is the lowest record that is not in a closed delivery.
func (p *partition) low() int64 {
	low := p.position
	if w := p.waiting.Lowest(); w >= 0 {
		low = min(low, w)
	}
	for _, l := range p.lanes {
		if len(l.open) > 0 {
			low = min(low, l.open[0].first)
		}
	}
	return low
}

// commit stores the position from which a new owner goes on.
func (p *partition) commit(ctx context.Context, now time.Time) {
	p.commitAt = now
	low := p.low()
	p.watch(low)
	meta := "{\"v\":1,\"journal\":" + strconv.FormatInt(p.state.Commit(low), 10) + "}"
	if p.busy || low == p.committed && meta == p.metadata || !p.gen.Live() || !p.step(BeforeCommit) {
		return
	}
	p.busy = true
	c := kafkalog.Commit{Topic: p.topic, Partition: p.claim.Partition, Offset: low, Metadata: meta}
	p.jobs.Add(1)
	go func() {
		defer p.jobs.Done()
		err := p.gen.Commit(ctx, c)
		p.mail.post(func() {
			p.busy = false
			if err == nil && p.step(AfterCommit) {
				p.committed, p.metadata = low, meta
			}
		})
	}()
}

// watch tells the stream how far this partition is.
func (p *partition) watch(low int64) {
	oldest := p.waiting.Oldest()
	for _, l := range p.lanes {
		if len(l.open) == 0 || len(l.open[0].items) == 0 {
			continue
		}
		if t := l.open[0].items[0].CreatedAt; oldest < 0 || t < oldest {
			oldest = t
		}
	}
	p.progress(p.claim.Partition, max(p.end, p.position)-low, oldest)
}

// forget gives back what the partition's buffers hold.
func (p *partition) forget() {
	held := p.waiting.Bytes()
	for _, l := range p.lanes {
		for _, d := range l.open {
			held += d.size
		}
	}
	p.used.Add(-held)
	p.idle.Add(-p.idleHere)
	p.progress(p.claim.Partition, 0, -1)
}
