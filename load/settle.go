package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"splitsync/event"
)

const (
	settleEvery = 300 * time.Millisecond
	apiParallel = 3 // rooms that are read at once
)

// settle waits for the store and the receiver and compares.
func (p *play) settle(ctx context.Context) (*Ledger, error) {
	l := p.newLedger()
	if p.interrupted {
		return l, nil
	}
	err := p.compare(ctx, l)
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		l.Interrupted = true
		return l, nil
	case err != nil:
		return nil, err
	}
	l.Settled = time.Since(p.ended)
	return l, nil
}

func (p *play) compare(ctx context.Context, l *Ledger) error {
	stored, err := p.readStore(ctx)
	if err != nil {
		return err
	}
	finished, err := p.awaitRest(ctx, stored)
	if err != nil {
		return err
	}
	for _, r := range p.order {
		l.Rooms = append(l.Rooms, p.check(r, stored[r.id]))
	}
	p.checkSessions(l, finished)
	return nil
}

// each calls f for the rooms, a few at a time.
func each(ctx context.Context, rooms []*room, f func(ctx context.Context, r *room) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(apiParallel)
	for _, r := range rooms {
		g.Go(func() error {
			if err := f(ctx, r); err != nil {
				return fmt.Errorf("room %s: %w", r.id, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// readStore waits for what was acknowledged and returns what is stored of each room, in the order of the store.
func (p *play) readStore(ctx context.Context) (map[string][]mark, error) {
	var mu sync.Mutex
	stored := map[string][]mark{}
	if err := p.awaitTotals(ctx); err != nil {
		return nil, err
	}
	err := each(ctx, p.order, func(ctx context.Context, r *room) error {
		marks, err := p.read(ctx, r)
		if err == nil && len(marks) < len(r.acked)+len(r.already) {
			if err = p.awaitStore(ctx, r); err == nil {
				marks, err = p.read(ctx, r)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		stored[r.id] = marks
		return err
	})
	total := 0
	for _, marks := range stored {
		total += len(marks)
	}
	p.stored.Store(int64(total))
	return stored, err
}

// read returns what is stored of a room.
func (p *play) read(ctx context.Context, r *room) (marks []mark, err error) {
	err = p.api.walk(ctx, r.id, func(rec *event.ChatRecord) {
		m := markOf(rec)
		m.user = r.user(rec.UserID)
		marks = append(marks, m)
	})
	return marks, err
}

// awaitTotals waits until the store counts as many messages as were acknowledged, in all rooms, or no more come. It asks for all rooms at once;
// what is still missing then is looked at room by room.
func (p *play) awaitTotals(ctx context.Context) error {
	want := int(p.acked.Load() + p.already.Load())
	for last, until := -1, time.Now().Add(p.cfg.Settle/4); ; {
		p.countStored(ctx)
		n := int(p.stored.Load())
		if n >= want || time.Now().After(until) {
			return nil
		}
		if n != last {
			last, until = n, time.Now().Add(p.cfg.Settle/4)
		}
		if !sleep(ctx, settleEvery) {
			return ctx.Err()
		}
	}
}

// awaitStore waits until a room has what was acknowledged, or all of its log is stored, or nothing comes any more.
func (p *play) awaitStore(ctx context.Context, r *room) error {
	want, before := len(r.acked)+len(r.already), -1
	for until := time.Now().Add(p.cfg.Settle); ; {
		n, complete, err := p.api.stored(ctx, r.id)
		if err != nil {
			return err
		}
		if complete || n >= want || time.Now().After(until) {
			return nil
		}
		if n != before {
			before, until = n, time.Now().Add(p.cfg.Settle)
		}
		if !sleep(ctx, settleEvery) {
			return ctx.Err()
		}
	}
}

// awaitRest waits until every session of the run's rooms has ended in the history, and the receiver has as much as the store, or nothing comes any
// more. It gathers the finished sessions.
func (p *play) awaitRest(ctx context.Context, stored map[string][]mark) (finished map[string]bool, err error) {
	var mu sync.Mutex
	finished = map[string]bool{}
	rooms, last := p.order, -1
	for until := time.Now().Add(p.cfg.Settle); ; {
		var open []*room
		err := each(ctx, rooms, func(ctx context.Context, r *room) error {
			return p.api.sessions(ctx, r.id, func(s *event.SessionRecord) {
				mu.Lock()
				defer mu.Unlock()
				finished[s.SessionID] = true
			})
		})
		if err != nil {
			return nil, err
		}
		for _, r := range rooms {
			if slices.ContainsFunc(r.spans, func(s span) bool { return !finished[s.session] }) {
				open = append(open, r)
			}
		}
		have, enough, more := p.received(stored, len(finished))
		if len(open) == 0 && enough || time.Now().After(until) {
			return finished, nil
		}
		if rooms = open; more {
			rooms = p.order // sessions ended of which no member was welcomed
		}
		if have += len(finished); have != last {
			last, until = have, time.Now().Add(p.cfg.Settle)
		}
		if !sleep(ctx, settleEvery) {
			return nil, ctx.Err()
		}
	}
}

// received counts what the receiver has, and tells whether it is all of it, or more sessions than are known.
func (p *play) received(stored map[string][]mark, finished int) (have int, enough, more bool) {
	recv := p.cfg.Receiver
	if recv == nil {
		return 0, true, false
	}
	enough = true
	for _, r := range p.order {
		n := recv.count(r.id)
		have, enough = have+n, enough && n >= len(stored[r.id])
	}
	joined, left, batched := recv.sessionCounts(p.cfg.RoomPrefix)
	return have + joined + left + batched, enough && joined == finished && left == finished && batched == finished, joined > finished
}
