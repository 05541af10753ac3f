package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"splitsync/event"
)

const settleEvery = 300 * time.Millisecond

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
	stored, total := map[string][]mark{}, 0
	for _, r := range p.order {
		if err := p.awaitStore(ctx, r); err != nil {
			return fmt.Errorf("wait for the store, room %s: %w", r.id, err)
		}
		var marks []mark
		err := p.api.walk(ctx, r.id, func(rec *event.ChatRecord) {
			m := markOf(rec)
			m.user = r.user(rec.UserID)
			marks = append(marks, m)
		})
		if err != nil {
			return fmt.Errorf("read the store: %w", err)
		}
		stored[r.id] = marks
		total += len(marks)
	}
	p.stored.Store(int64(total))
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
	finished = map[string]bool{}
	last := -1
	for until := time.Now().Add(p.cfg.Settle); ; {
		missing := 0
		for _, r := range p.order {
			if err := p.api.sessions(ctx, r.id, func(s *event.SessionRecord) { finished[s.SessionID] = true }); err != nil {
				return nil, fmt.Errorf("read the sessions: %w", err)
			}
			for _, s := range r.spans {
				if !finished[s.session] {
					missing++
				}
			}
		}
		have, enough := p.received(stored, len(finished))
		if missing == 0 && enough || time.Now().After(until) {
			return finished, nil
		}
		if have += len(finished); have != last {
			last, until = have, time.Now().Add(p.cfg.Settle)
		}
		if !sleep(ctx, settleEvery) {
			return nil, ctx.Err()
		}
	}
}

// received counts what the receiver has, and tells whether it is all of it.
func (p *play) received(stored map[string][]mark, finished int) (have int, enough bool) {
	recv := p.cfg.Receiver
	if recv == nil {
		return 0, true
	}
	enough = true
	for _, r := range p.order {
		n := recv.count(r.id)
		have, enough = have+n, enough && n >= len(stored[r.id])
	}
	joined, left, batched := recv.sessionCounts(p.cfg.RoomPrefix)
	return have + joined + left + batched, enough && joined == finished && left == finished && batched == finished
}
