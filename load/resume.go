package load

import (
	"context"
	"fmt"
	"time"

	"splitsync/event"
)

// past is what a line became before this run.
type past struct {
	content uint64
	known   bool
}

// recall asks the sync API for what earlier runs of this prefix have stored.
func (p *play) recall(ctx context.Context) error {
	totals, err := p.api.totals(ctx, p.cfg.RoomPrefix)
	for wait := time.Now().Add(p.cfg.Settle); err != nil && time.Now().Before(wait) && sleep(ctx, apiPause); {
		totals, err = p.api.totals(ctx, p.cfg.RoomPrefix)
	}
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	for id := range totals {
		r := p.addRoom(id)
		if err := p.complete(ctx, r); err != nil {
			return fmt.Errorf("resume room %s: %w", id, err)
		}
		err := p.api.walk(ctx, id, func(rec *event.ChatRecord) {
			m := markOf(rec)
			m.user = r.user(rec.UserID)
			r.already = append(r.already, m)
			p.remember(int(m.line), contentHash(rec.UserID, rec.Content, rec.ClientTS))
		})
		if err != nil {
			return fmt.Errorf("resume room %s: %w", id, err)
		}
		p.already.Add(int64(len(r.already)))
	}
	return nil
}

// complete waits until all of a room's partition is stored.
func (p *play) complete(ctx context.Context, r *room) error {
	until := time.Now().Add(p.cfg.Settle)
	for {
		_, complete, err := p.api.stored(ctx, r.id)
		switch {
		case err != nil:
			return err
		case complete:
			return nil
		case time.Now().After(until):
			return fmt.Errorf("the store is not complete after %s", p.cfg.Settle)
		case !sleep(ctx, apiPause/5):
			return ctx.Err()
		}
	}
}

func (p *play) remember(n int, content uint64) {
	for len(p.pasts) <= n {
		p.pasts = append(p.pasts, past{})
	}
	p.pasts[n] = past{content, true}
}

// has tells whether a line was stored by an earlier run. One that was stored with another author, text or time counts as changed.
func (p *play) has(l line) bool {
	if l.n >= len(p.pasts) || !p.pasts[l.n].known {
		return false
	}
	if p.pasts[l.n].content != contentHash(l.User, l.Text, l.TS) {
		p.changed++
	}
	return true
}
