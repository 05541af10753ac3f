package load

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"splitsync/client/go"
	"splitsync/event"
)

const (
	queuedLines = 256  // lines that wait at one member
	maxRefusals = 1000 // refused lines that are listed one by one
)

// play is one run.
type play struct {
	cfg    Config
	log    *slog.Logger
	api    *api
	dialer *client.Dialer
	seed   maphash.Seed
	source *source

	window  chan struct{} // one element for each line that has no fate
	limit   *rate.Limiter // nil: as fast as acknowledged
	rooms   map[string]*room
	order   []*room // in the order of their first lines
	members sync.WaitGroup
	cut     context.Context // ends when answers are not waited for any longer
	ending  atomic.Bool     // all lines have their fate

	began                                time.Time // of the run
	sending, ended                       time.Time // of the lines
	firstTS                              int64
	lines, skipped, changed              int
	pasts                                []past // by line
	interrupted                          bool
	sent, acked, refused, unknown        atomic.Int64
	seen, stored, retries, open, already atomic.Int64

	mu       sync.Mutex
	refusals []Refusal
	byCode   map[event.ErrorCode]int
}

func newPlay(cfg Config, log *slog.Logger) (*play, error) {
	src, err := openSource(cfg.File)
	if err != nil {
		return nil, err
	}
	p := &play{
		cfg: cfg, log: log, source: src, seed: maphash.MakeSeed(), dialer: client.NewDialer(client.DialerOptions{}),
		window: make(chan struct{}, cfg.Unanswered), rooms: map[string]*room{}, byCode: map[event.ErrorCode]int{}, began: time.Now(),
		api: &api{base: cfg.URL, key: cfg.APIKey, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}},
	}
	if cfg.Rate > 0 {
		p.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate/50)))
	}
	return p, nil
}

// run sends the lines and returns when every one has its fate and all connections have ended.
func (p *play) run(ctx context.Context) error {
	defer func() { _ = p.source.end() }() // it was only read
	cut, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	p.cut = cut
	release := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(p.cfg.Grace, stop)
		context.AfterFunc(cut, func() { timer.Stop() })
	})
	defer release()
	var err error
	if p.cfg.Resume {
		err = p.recall(ctx)
	}
	p.sending = time.Now()
	if err == nil {
		err = p.dispatch(ctx)
	}
	p.answers(ctx)
	p.ending.Store(true)
	for _, r := range p.order {
		for _, m := range r.members {
			close(m.lines)
		}
	}
	p.members.Wait()
	p.ended = time.Now()
	if ctx.Err() != nil {
		p.interrupted = true
		return nil
	}
	return err
}

// dispatch gives each line to its member.
func (p *play) dispatch(ctx context.Context) error {
	for p.cfg.Lines == 0 || p.lines < p.cfg.Lines {
		l, err := p.source.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p.lines++
		r, err := p.room(ctx, l)
		if err != nil {
			return err
		}
		if p.has(l) {
			p.skipped++
			continue
		}
		if err := p.pace(ctx, l); err != nil {
			return err
		}
		select {
		case p.window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case p.member(ctx, r, l.User).lines <- l:
		case <-ctx.Done():
			<-p.window
			return ctx.Err()
		}
	}
	return nil
}

// pace waits until a line is due.
func (p *play) pace(ctx context.Context, l line) error {
	if p.limit != nil {
		if err := p.limit.Wait(ctx); err != nil {
			return err
		}
	}
	if p.cfg.Speedup <= 0 {
		return ctx.Err()
	}
	if p.firstTS == 0 {
		p.firstTS = l.TS
	}
	due := time.Duration(float64(l.TS-p.firstTS) / p.cfg.Speedup * float64(time.Millisecond))
	if !sleep(ctx, time.Until(p.sending.Add(due))) {
		return ctx.Err()
	}
	return nil
}

// room is the room of a line, created when it is new.
func (p *play) room(ctx context.Context, l line) (*room, error) {
	id := p.cfg.roomOf(l)
	r := p.rooms[id]
	if r != nil {
		return r, nil
	}
	existed, err := p.api.createRoom(ctx, id, "load "+l.Room)
	if err != nil {
		return nil, err
	}
	if existed && !p.cfg.Resume {
		return nil, fmt.Errorf("room %s exists: take another room prefix, or resume", id)
	}
	return p.addRoom(id), nil
}

func (p *play) addRoom(id string) *room {
	r := newRoom(id, p.cfg.Members)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rooms[id] = r
	p.order = append(p.order, r)
	return r
}

// member is the connection of a user, made if there is none; then the one that was silent longest may have to leave.
func (p *play) member(ctx context.Context, r *room, user string) *member {
	if m := r.members[user]; m != nil {
		r.silent.MoveToBack(m.elem)
		return m
	}
	if len(r.members) >= p.cfg.Members {
		gone := r.silent.Remove(r.silent.Front()).(*member)
		delete(r.members, gone.user)
		r.left[gone.user] = gone
		close(gone.lines)
	}
	m := &member{
		p: p, room: r, user: user, lines: make(chan line, queuedLines), wake: make(chan struct{}, 1),
		before: r.newest, placed: make(chan struct{}), done: make(chan struct{}),
	}
	r.newest = m.placed
	if before := r.left[user]; before != nil {
		m.after = before.done
		delete(r.left, user)
	}
	m.elem = r.silent.PushBack(m)
	r.members[user] = m
	p.members.Go(func() { m.run(ctx) })
	return m
}

// answers waits until every line has its fate.
func (p *play) answers(ctx context.Context) {
	for range cap(p.window) {
		select {
		case p.window <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// refuse files a refused line.
func (p *play) refuse(r *room, n int, code event.ErrorCode) {
	r.mu.Lock()
	if code == event.CodeOutcomeUnknown {
		r.unknown = append(r.unknown, n)
	} else {
		r.refused++
	}
	r.mu.Unlock()
	if code == event.CodeOutcomeUnknown {
		p.unknown.Add(1)
	} else {
		p.refused.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byCode[code]++
	if len(p.refusals) < maxRefusals {
		p.refusals = append(p.refusals, Refusal{Line: n, Code: code})
	}
}
