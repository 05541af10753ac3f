// Package courier takes deliveries that are ready to go and brings each to an end: delivered, refused for good, or too big. It retries,
// bounds concurrency, and pauses a stream whose receiver is down, probing until it answers. It knows nothing of logs and journals: who
// hands it one delivery a room at a time gets them sent in order.
package courier

import (
	"context"
	"log/slog"
	"time"

	"github.com/sethvargo/go-retry"

	"splitsync/exporter/send"
)

// Policy says what becomes of a delivery whose retries are used up.
type Policy string

// The policies.
const (
	Auto       Policy = "auto"        // given up if refused for its content, or if others succeed meanwhile; else the stream pauses
	DeadLetter Policy = "dead_letter" // given up
	Pause      Policy = "pause"       // the stream pauses
)

// witness is how recent another delivery's success must be to show that the fault lies with a delivery and not with the receiver.
const witness = 60 * time.Second

// Config bounds a courier.
type Config struct {
	Concurrency int           // requests at once, >= 1
	Retries     int           // after the first attempt, >= 0
	Delay       time.Duration // before the first retry, then doubled, +-20 %
	Policy      Policy
	Grace       time.Duration // how long requests in flight may go on when the context has ended
}

// Sender makes one request.
type Sender interface {
	Do(ctx context.Context, r send.Request) send.Result
}

// Verdict is how a delivery ended.
type Verdict int

// The verdicts.
const (
	Delivered Verdict = iota + 1
	Refused           // to be dead-lettered
	TooBig            // 413 for more than one record: to be split
	Withdrawn         // it was stale before it was sent
)

// Report tells how a delivery ended.
type Report struct {
	Verdict  Verdict
	Attempts int
	Last     send.Result
}

// Parcel is one delivery. Its fields must not change after Submit.
type Parcel struct {
	ID      string
	Room    string
	Records int                       // more than one can be split
	Body    func() (send.Body, error) // the same bytes each time
	Live    func() bool               // asked before each request: may this process send now
	End     func(Report)              // called at most once, from the courier's goroutine; must not block
	Tried   func(send.Result)         // called after each attempt, likewise; may be nil
	Stale   func() bool               // asked before each attempt: something newer takes its place; may be nil

	seq      int64 // order of submission
	attempts int   // all
	probes   int
	backoff  retry.Backoff
	due      time.Time
	failed   time.Time // first failure
	tries    [2]time.Time
}

// Courier sends the parcels of one stream in one generation.
type Courier struct {
	cfg     Config
	sender  Sender
	breaker *Breaker
	log     *slog.Logger

	in      chan *Parcel
	press   chan string
	results chan result
	ended   chan struct{}

	// Run's goroutine only:
	seq     int64
	ready   []*Parcel
	waiting waiting
	flying  int
	probing bool
	fickle  bool // there are parcels that may become stale
}

type result struct {
	parcel *Parcel
	probe  bool
	start  time.Time
	res    send.Result
}

// New returns a courier; Run does the work.
func New(cfg Config, s Sender, b *Breaker, log *slog.Logger) *Courier {
	return &Courier{
		cfg: cfg, sender: s, breaker: b, log: log,
		in: make(chan *Parcel), press: make(chan string), results: make(chan result, cfg.Concurrency), ended: make(chan struct{}),
	}
}

// Submit hands over a parcel. It returns false when the courier has ended, or when ctx ends first.
func (c *Courier) Submit(ctx context.Context, p *Parcel) bool {
	select {
	case c.in <- p:
		return true
	case <-c.ended:
	case <-ctx.Done():
	}
	return false
}

// Press tells that the buffers are full of a room's deliveries: if the room's parcel is failing while others succeed, it counts as
// exhausted now.
func (c *Courier) Press(ctx context.Context, room string) {
	select {
	case c.press <- room:
	case <-c.ended:
	case <-ctx.Done():
	}
}

// Run sends until ctx ends, then lets requests in flight end within Grace, reports those that succeeded, and returns.
func (c *Courier) Run(ctx context.Context) {
	flight, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer close(c.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(c.dispatch(flight))
		select {
		case <-ctx.Done():
			c.drain(cancel)
			return
		case p := <-c.in:
			c.accept(p)
		case room := <-c.press:
			c.pressed(room)
		case r := <-c.results:
			c.settle(r)
		case <-timer.C:
		}
	}
}

// Ended is closed when Run has returned: nothing is sent or reported any more.
func (c *Courier) Ended() <-chan struct{} { return c.ended }

// drain waits for the requests in flight.
func (c *Courier) drain(cancel context.CancelFunc) {
	grace := time.AfterFunc(c.cfg.Grace, cancel)
	defer grace.Stop()
	for ; c.flying > 0; c.flying-- {
		r := <-c.results
		if r.res.Outcome == send.OK {
			c.breaker.succeed(r.start)
			r.parcel.End(Report{Verdict: Delivered, Attempts: r.parcel.attempts, Last: r.res})
		}
	}
}

func (c *Courier) accept(p *Parcel) {
	c.seq++
	p.seq, p.backoff = c.seq, c.fresh()
	c.ready = append(c.ready, p)
	c.fickle = c.fickle || p.Stale != nil
	c.breaker.hurry()
}

// fresh makes the stateful backoff of one round of attempts.
func (c *Courier) fresh() retry.Backoff {
	b := retry.WithCappedDuration(send.MaxRetryAfter, retry.NewExponential(max(c.cfg.Delay, time.Millisecond)))
	return retry.WithMaxRetries(uint64(max(c.cfg.Retries, 0)), retry.WithJitterPercent(20, b))
}
