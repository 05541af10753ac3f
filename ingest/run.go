// Package ingest brings the log into ClickHouse. It promises that a commit passes a record only when its row is stored, or its dead letter is
// durable; that storing a record again changes nothing that anybody sees; that the statistics and registers of a room follow from the log
// alone; and that the sessions of a gateway that died are ended once.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/rooms"
	"splitsync/internal/service"
)

// Group is the consumer group of all ingests of a log. Its committed offsets tell up to where the history is complete.
const Group = "ingest"

// closeTime bounds the flush of the producers at the end.
const closeTime = 5 * time.Second

// Deps are what an ingest shares with the other roles of its process. Their owner closes them after Run.
type Deps struct {
	Log     *kafkalog.Log     // opened and checked
	History *history.Store    // opened and migrated
	Metrics *metrics.Registry // nil: the metrics are registered nowhere
	Health  *metrics.Health   // nil: nobody asks
}

// healthPart names ingest in /readyz. It is ready when it has partitions to store, or the group has given them all to others.
const healthPart = "ingest"

// Server is one ingest. New makes it, Run does the work.
type Server struct {
	cfg      Settings
	log      *kafkalog.Log
	store    *history.Store
	metrics  Metrics
	health   *metrics.Health
	logger   *slog.Logger
	throttle *service.Throttle

	directory *rooms.Directory
	presence  *rooms.Presence

	// Opened by Run.
	dead     *kafkalog.Producer // ingest-dead-letters
	sessions *kafkalog.Producer // the ends of sessions that the reaper tells
	probes   *rooms.Reporter

	// What makes rows and registers durable; tests stand between.
	insertRows   func(context.Context, *history.Block) error
	putRegisters func(context.Context, ...rooms.Register) (int64, error)

	mu    sync.Mutex
	tails map[slot]*kafkalog.Tail // of the generation before
}

// New prepares an ingest; it starts nothing.
func New(_ context.Context, cfg Config, deps Deps, log *slog.Logger) (*Server, error) {
	s := &Server{
		cfg: cfg.Settings.withDefaults(), log: deps.Log, store: deps.History, health: deps.Health, logger: log, throttle: service.NewThrottle(log, 0),
		insertRows: deps.History.Insert, directory: rooms.Open(deps.Log), presence: rooms.OpenPresence(deps.Log), tails: map[slot]*kafkalog.Tail{},
	}
	if s.health == nil {
		s.health = metrics.NewHealth()
	}
	s.health.NotReady(healthPart, "starting")
	reg := deps.Metrics
	if reg == nil {
		reg = metrics.NewRegistry("")
	}
	if err := metrics.New(reg, &s.metrics); err != nil {
		return nil, fmt.Errorf("metrics of ingest: %w", err)
	}
	return s, nil
}

// Run joins the group and stores what its partitions bring until ctx ends; then it waits for its goroutines and returns nil. What was read
// and not committed is read again by the next owner. ClickHouse or Kafka being away is waited for; the error that Run returns is a fault
// that waiting does not mend (a position behind the end of the log: its topic was created anew).
func (s *Server) Run(ctx context.Context) error {
	closeAll, err := s.openProducers(ctx)
	if err != nil {
		return err
	}
	err = service.Run(ctx, map[string]func(context.Context) error{
		"follow rooms":    s.directory.Run,
		"follow gateways": s.presence.Run,
		"ingest": func(ctx context.Context) error {
			return s.log.Consume(ctx, Group, topics(), s.generation)
		},
	})
	return errors.Join(err, closeAll())
}

// openProducers gets the producers of a run; the function that it returns gives them back.
func (s *Server) openProducers(ctx context.Context) (closeAll func() error, err error) {
	var closers []func(context.Context) error
	opened := func() error { // closes what has been opened so far
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		var err error
		for _, c := range closers {
			err = errors.Join(err, c(ctx))
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened())
		}
	}()
	if s.dead, err = s.log.NewProducer(ctx, event.IngestDeadLetters); err != nil {
		return nil, err
	}
	closers = append(closers, s.dead.Close)
	if s.sessions, err = s.log.NewProducer(ctx, event.Sessions); err != nil {
		return nil, err
	}
	closers = append(closers, s.sessions.Close)
	writer, err := rooms.OpenWriter(ctx, s.log)
	if err != nil {
		return nil, err
	}
	closers = append(closers, writer.Close)
	if s.putRegisters == nil {
		s.putRegisters = writer.Put
	}
	s.probes, err = rooms.OpenReporter(ctx, s.log, func(err error) {
		s.throttle.Warn("probes", "record of gateways was not written", "error", err.Error())
	})
	if err != nil {
		return nil, err
	}
	closers = append(closers, s.probes.Close)
	return opened, nil
}

// retry calls f until it works, fails for good (service.Permanent) or ctx ends. Every failure is counted under what.
func (s *Server) retry(ctx context.Context, what string, f func(context.Context) error) error {
	return service.Retry(ctx, service.Backoff{Cap: time.Second, Notify: func(err error, _ int) {
		s.metrics.Retries.WithLabelValues(what).Inc()
		s.throttle.Warn("retry/"+what, "attempt of ingest did not work, trying on", "what", what, "error", err.Error())
	}}, f)
}
