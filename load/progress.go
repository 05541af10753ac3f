package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// showProgress writes the progress line until the returned function is called, which waits for it.
func (p *play) showProgress(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		for sleep(ctx, p.cfg.ProgressEvery) {
			p.countStored(ctx)
			fmt.Fprint(p.cfg.Progress, p.progressLine(), p.cfg.ProgressEnd)
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// countStored asks how much the store has; while it does not answer the last number stands.
func (p *play) countStored(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	totals, err := p.api.totals(ctx, p.cfg.RoomPrefix)
	if err != nil {
		return
	}
	n := 0
	for _, t := range totals {
		n += t
	}
	p.stored.Store(int64(n))
}

// progressLine tells the counts of the moment, with the rates since the beginning.
func (p *play) progressLine() string {
	secs := max(time.Since(p.began).Seconds(), 0.001)
	acked, seen := p.acked.Load(), p.seen.Load()
	have := acked + p.already.Load()
	stored := min(p.stored.Load(), have)
	line := fmt.Sprintf("%6.1f s  sent %d  acked %d (%.0f/s)  refused %d  open %d  seen %d (%.0f/s)  stored %d", secs, p.sent.Load(), acked,
		float64(acked)/secs, p.refused.Load(), p.open.Load(), seen, float64(seen)/secs, stored)
	lag := have - stored
	if p.cfg.Receiver != nil {
		delivered := int64(p.cfg.Receiver.total(p.cfg.RoomPrefix))
		line += fmt.Sprintf("  delivered %d", delivered)
		lag = max(lag, have-delivered)
	}
	return line + fmt.Sprintf("  lag %d   ", lag)
}
