package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"splitsync/event"
	"splitsync/exporter/courier"
	"splitsync/exporter/send"
	"splitsync/internal/kafkalog"
	"splitsync/internal/service"
)

// stream is one enabled stream of this process, over all generations of its group.
type stream struct {
	content
	name     Stream
	cfg      *Callbacks
	log      *slog.Logger
	throttle *service.Throttle
	metrics  *Metrics
	fault    Fault

	kafka    *kafkalog.Log
	register *register
	journal  *kafkalog.Producer // deliveries
	control  *kafkalog.Producer
	letters  *kafkalog.Producer // callback-dead-letters

	client  *send.Client
	breaker *courier.Breaker

	limit       int64        // of used
	used        atomic.Int64 // bytes of undelivered records in memory
	idle        atomic.Int64 // the part of used that is in no cut
	claims      atomic.Int64 // partitions of this generation
	commitEvery time.Duration
	grace       time.Duration

	mu     sync.Mutex
	halted string
	at     map[int]progress
}

// progress is how far one partition is.
type progress struct {
	lag    int64
	oldest int64 // created_at of the oldest undelivered record; -1: none
}

// run takes part in the stream's group until ctx ends.
func (s *stream) run(ctx context.Context) error {
	defer s.client.Close()
	return s.kafka.Consume(ctx, s.name.group(), []event.Topic{s.topic}, s.generation)
}

// generation exports the partitions of one generation until it ends.
func (s *stream) generation(ctx context.Context, g *kafkalog.Generation) error {
	c := courier.New(s.cfg.courier(), s.sender(), s.breaker, s.log)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		c.Run(ctx)
		return nil
	})
	claims := g.Claims()
	s.claims.Store(int64(len(claims)))
	for _, claim := range claims {
		group.Go(func() error { return s.partition(ctx, claim, g, c) })
	}
	group.Go(func() error { // also without partitions the generation lasts
		<-ctx.Done()
		return nil
	})
	err := group.Wait()
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) || errors.Is(err, errAnew) {
		return nil // the next generation records what is lost
	}
	return err
}

// partition exports one partition. Where going on could send other bytes than before, it stops and says so.
func (s *stream) partition(ctx context.Context, claim kafkalog.Claim, g *kafkalog.Generation, c *courier.Courier) error {
	p := s.newPartition(claim, g, c)
	err := p.run(ctx)
	p.jobs.Wait()
	var halt *haltError
	if !errors.As(err, &halt) {
		return err
	}
	s.log.Error("stream stops: update this process", "partition", claim.Partition, "error", halt.why)
	s.halt(halt.why)
	<-ctx.Done()
	s.halt("")
	return nil
}

func (s *stream) halt(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halted = why
}

func (s *stream) progress(partition int, lag, oldest int64) {
	s.mu.Lock()
	s.at[partition] = progress{lag, oldest}
	s.mu.Unlock()
	st := s.status()
	name := string(s.name)
	s.metrics.Lag.WithLabelValues(name).Set(float64(st.Lag))
	s.metrics.Age.WithLabelValues(name).Set(st.OldestAge.Seconds())
	s.metrics.Buffered.WithLabelValues(name).Set(float64(s.used.Load()))
	paused := 0.0
	if st.State != Running {
		paused = 1
	}
	s.metrics.Paused.WithLabelValues(name).Set(paused)
}

// status tells how the stream does.
func (s *stream) status() StreamStatus {
	h := s.breaker.Health()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := StreamStatus{State: Running, LastError: h.LastError, LastSuccess: h.LastOK}
	if h.Paused {
		st.State = Paused
	}
	if s.halted != "" {
		st.State, st.LastError = Halted, s.halted
	}
	oldest := int64(-1)
	for _, p := range s.at {
		st.Lag += p.lag
		if p.oldest >= 0 && (oldest < 0 || p.oldest < oldest) {
			oldest = p.oldest
		}
	}
	if oldest >= 0 {
		st.OldestAge = max(time.Since(time.UnixMilli(oldest)), 0)
	}
	return st
}

// tried counts one request.
func (s *stream) tried(r send.Result) {
	s.metrics.Attempts.WithLabelValues(string(s.name), r.Outcome.String()).Inc()
	s.metrics.Seconds.WithLabelValues(string(s.name)).Observe(r.Took.Seconds())
	if r.Outcome != send.OK {
		s.throttle.Warn(string(s.name)+"/"+r.Reason, "callback failed", "stream", string(s.name), "outcome", r.Outcome.String(), "reason", r.Reason)
	}
}

// sender is the stream's client between the step boundaries of a request.
func (s *stream) sender() courier.Sender { return steps{s.client, s.fault} }

type steps struct {
	to    courier.Sender
	fault Fault
}

// Do implements courier.Sender. An exporter that ends at a boundary neither sends nor learns what came of it.
func (s steps) Do(ctx context.Context, r send.Request) send.Result {
	if s.fault.At(BeforeSend) == nil {
		res := s.to.Do(ctx, r)
		if res.Outcome != send.OK || s.fault.At(AfterSend) == nil {
			return res
		}
	}
	<-ctx.Done()
	return send.Result{Outcome: send.Transient, Reason: "canceled"}
}
