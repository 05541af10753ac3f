package courier

import (
	"container/heap"
	"context"
	"net/http"
	"slices"
	"time"

	"splitsync/exporter/send"
)

// Pauses of the loop.
const (
	idle  = time.Hour              // nothing to wait for but messages
	lease = 100 * time.Millisecond // until the lease is asked for again
)

// dispatch starts what may start, and returns how long the loop may sleep.
func (c *Courier) dispatch(ctx context.Context) time.Duration {
	now := time.Now()
	for len(c.waiting) > 0 && !c.waiting[0].due.After(now) {
		c.ready = append(c.ready, heap.Pop(&c.waiting).(*Parcel))
	}
	if c.fickle {
		c.ready = slices.DeleteFunc(c.ready, c.withdrawn)
	}
	sleep := time.Duration(idle)
	if len(c.waiting) > 0 {
		sleep = time.Until(c.waiting[0].due)
	}
	if len(c.ready) == 0 {
		return sleep
	}
	paused, probe := c.breaker.state()
	if !paused {
		return min(sleep, c.launch(ctx))
	}
	if c.probing {
		return sleep
	}
	if wait := time.Until(probe); wait > 0 {
		return min(sleep, wait)
	}
	i := c.candidate()
	if !c.ready[i].Live() {
		return min(sleep, lease)
	}
	p := c.ready[i]
	c.ready = append(c.ready[:i], c.ready[i+1:]...)
	c.probing = true
	p.probes++
	c.start(ctx, p, true)
	return sleep
}

// withdrawn ends a parcel that is stale.
func (c *Courier) withdrawn(p *Parcel) bool {
	if p.Stale == nil || !p.Stale() {
		return false
	}
	c.end(p, Withdrawn, send.Result{})
	return true
}

// launch starts parcels in order while there is room.
func (c *Courier) launch(ctx context.Context) time.Duration {
	sleep := time.Duration(idle)
	if c.flying == c.cfg.Concurrency {
		return sleep
	}
	kept := c.ready[:0]
	for i, p := range c.ready {
		if c.flying == c.cfg.Concurrency {
			kept = append(kept, c.ready[i:]...)
			break
		}
		if !p.Live() {
			kept, sleep = append(kept, p), lease
			continue
		}
		c.start(ctx, p, false)
	}
	clear(c.ready[len(kept):])
	c.ready = kept
	return sleep
}

// candidate chooses the parcel to probe with: the one probed least, then the oldest. So probes rotate over rooms.
func (c *Courier) candidate() int {
	best := 0
	for i, p := range c.ready {
		b := c.ready[best]
		if p.probes < b.probes || p.probes == b.probes && p.seq < b.seq {
			best = i
		}
	}
	return best
}

func (c *Courier) start(ctx context.Context, p *Parcel, probe bool) {
	now := time.Now()
	p.attempts++
	p.tries[0], p.tries[1] = p.tries[1], now
	if p.tries[0].IsZero() {
		p.tries[0] = now
	}
	c.flying++
	req := send.Request{ID: p.ID, Attempt: p.attempts}
	go func() {
		body, err := p.Body()
		if err != nil {
			c.results <- result{p, probe, now, send.Result{Outcome: send.Transient, Reason: "body"}}
			return
		}
		req.Body = body
		c.results <- result{p, probe, now, c.sender.Do(ctx, req)}
	}()
}

// settle decides what follows from one answer.
func (c *Courier) settle(r result) {
	c.flying--
	p := r.parcel
	if r.probe {
		c.probing = false
	}
	if p.Tried != nil {
		p.Tried(r.res)
	}
	if r.res.Outcome == send.OK {
		if c.breaker.succeed(r.start) {
			c.log.Info("callbacks go on", "id", p.ID)
		}
		c.end(p, Delivered, r.res)
		return
	}
	c.breaker.fail(r.res.Reason)
	if p.failed.IsZero() {
		p.failed = r.start
	}
	if r.res.Status == http.StatusRequestEntityTooLarge && p.Records > 1 {
		c.end(p, TooBig, r.res)
		return
	}
	if r.probe {
		c.breaker.probed(r.res.RetryAfter)
	}
	c.again(p, r)
}

// again retries a parcel that failed, or decides about one whose retries are used up.
func (c *Courier) again(p *Parcel, r result) {
	paused, _ := c.breaker.state()
	if !paused && r.res.Outcome == send.Endpoint && c.cfg.Policy != DeadLetter && !c.breaker.succeededSince(time.Time{}, witness) {
		c.pause(r)
		paused = true
	}
	wait, exhausted := p.backoff.Next()
	switch {
	case exhausted && c.hopeless(p, r.res):
		c.end(p, Refused, r.res)
		return
	case exhausted:
		if !paused {
			c.pause(r)
		}
		p.backoff = c.fresh()
		c.ready = append(c.ready, p)
	case paused:
		c.ready = append(c.ready, p) // the probes decide when
	default:
		p.due = time.Now().Add(max(wait, r.res.RetryAfter))
		heap.Push(&c.waiting, p)
	}
}

// hopeless tells whether a parcel whose retries are used up is given up. A receiver that has gone down refuses everybody: only a success
// that began after the parcel's last but one attempt is a witness against the parcel.
func (c *Courier) hopeless(p *Parcel, res send.Result) bool {
	switch c.cfg.Policy {
	case DeadLetter:
		return true
	case Pause:
		return false
	}
	return res.Outcome == send.Payload || c.breaker.succeededSince(p.tries[0], witness)
}

func (c *Courier) pause(r result) {
	if c.breaker.pause(r.res.RetryAfter) {
		c.log.Warn("callbacks pause: nothing succeeds; probing", "id", r.parcel.ID, "reason", r.res.Reason)
	}
}

// pressed gives up the failing parcel of a room if others have succeeded since its first failure.
func (c *Courier) pressed(room string) {
	if c.cfg.Policy == Pause {
		return
	}
	for i, p := range c.waiting {
		if p.Room == room && c.breaker.succeededSince(p.failed, witness) {
			heap.Remove(&c.waiting, i)
			c.end(p, Refused, send.Result{Outcome: send.Transient, Reason: "buffers full"})
			return
		}
	}
}

func (c *Courier) end(p *Parcel, v Verdict, last send.Result) {
	p.End(Report{Verdict: v, Attempts: p.attempts, Last: last})
}

// waiting is a heap of parcels by when they are due.
type waiting []*Parcel

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].due.Before(w[j].due) }
func (w waiting) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }

// Push is for container/heap.
func (w *waiting) Push(x any) { *w = append(*w, x.(*Parcel)) }

// Pop is for container/heap.
func (w *waiting) Pop() any {
	old := *w
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*w = old[:len(old)-1]
	return p
}
