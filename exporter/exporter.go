// Package exporter brings what is in the log to callback receivers: room events, batches of messages and of sessions, and snapshots of
// rooms. It promises that nothing of the log is dropped (2xx, or a durable dead letter, before a commit passes it), that first sends of a
// room are in order, and that one id always has the same bytes: a batch is cut in a journal, and sent only after the cut was read back.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"splitsync/event"
	"splitsync/exporter/courier"
	"splitsync/exporter/send"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/rooms"
	"splitsync/internal/service"
)

// Deps is what an exporter works with; the caller keeps and closes it.
type Deps struct {
	Kafka   *kafkalog.Log // checked
	History History       // nil is allowed while NeedsHistory is false
	Metrics *metrics.Registry
	Spool   string // folder for big bodies, made when needed; empty = the system's folder for temporary files
	Fault   Fault  // nil but in tests
}

// Exporter runs the enabled streams.
type Exporter struct {
	cfg     Callbacks
	deps    Deps
	log     *slog.Logger
	metrics Metrics
	streams map[Stream]*stream
	control *register
	rooms   *rooms.Directory // nil without snapshots
	members *rooms.Presence
	shots   map[Stream]*snapshots
}

// New prepares the streams that have a URL; it sends and reads nothing yet. cfg must have passed Validate.
func New(_ context.Context, cfg Callbacks, deps Deps, log *slog.Logger) (*Exporter, error) {
	if deps.Fault == nil {
		deps.Fault = noFault{}
	}
	e := &Exporter{cfg: cfg, deps: deps, log: log, streams: map[Stream]*stream{}}
	if err := metrics.New(deps.Metrics, &e.metrics); err != nil {
		return nil, err
	}
	e.control = openRegister(deps.Kafka)
	contents := e.cfg.contents()
	for _, name := range Streams() {
		if e.cfg.endpoints()[name].url == "" {
			continue
		}
		s, err := e.newStream(name, contents[name])
		if err != nil {
			return nil, err
		}
		e.streams[name] = s
	}
	if e.cfg.NeedsHistory() {
		e.prepareSnapshots()
	}
	return e, nil
}

// prepareSnapshots makes the streams whose bodies tell what a room is like now.
func (e *Exporter) prepareSnapshots() {
	k := e.deps.Kafka
	e.rooms, e.members, e.shots = rooms.Open(k), rooms.OpenPresence(k), map[Stream]*snapshots{}
	s := &scribe{cfg: &e.cfg, history: e.deps.History, members: e.members, spool: e.deps.Spool, epoch: k.Meta().Epoch, of: k.PartitionOf}
	build := map[Stream]func(context.Context, rooms.Room, int64) (*snapshot, error){Periodic: s.periodic, Legacy: s.legacy}
	for name, f := range build {
		if base := e.streams[name]; base != nil {
			e.shots[name] = &snapshots{
				stream: base, rooms: e.rooms, build: f, triggers: name == Legacy, synced: map[string]int64{},
				handled: time.Now().Add(-staleDemand).UnixMilli(),
			}
		}
	}
}

// staleDemand is how long a demand for a sync waits for an exporter to start.
const staleDemand = time.Minute

func (e *Exporter) newStream(name Stream, c content) (*stream, error) {
	client, err := e.client(name)
	if err != nil {
		return nil, err
	}
	log := e.log.With("stream", string(name))
	return &stream{
		content: c, name: name, cfg: &e.cfg, log: log, throttle: service.NewThrottle(log, 0), metrics: &e.metrics, fault: e.deps.Fault,
		kafka: e.deps.Kafka, register: e.control, client: client,
		breaker: courier.NewBreaker(orDefault(e.cfg.ProbeFirst, 30*time.Second), orDefault(e.cfg.ProbeLongest, 5*time.Minute)),
		limit:   e.cfg.BufferBytes, commitEvery: orDefault(e.cfg.CommitEvery, time.Second), grace: orDefault(e.cfg.Grace, 3*time.Second),
		at: map[int]progress{},
	}, nil
}

func (e *Exporter) client(name Stream) (*send.Client, error) {
	to := e.cfg.endpoints()[name]
	secrets, err := keys(to.secrets)
	if err != nil {
		return nil, fmt.Errorf("secrets of %s: %w", to.variable, err)
	}
	c, err := send.New(send.Options{
		URL: to.url, Timeout: e.cfg.Timeout, Headers: to.headers, Keys: secrets,
		UserAgent: "splitsync/" + e.cfg.Version, Connections: max(e.cfg.Concurrency, 1),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", to.variable, err)
	}
	return c, nil
}

// Run exports until ctx ends, and then returns nil with nothing left running. It cuts nothing at the end. It fails for what a restart
// could mend.
func (e *Exporter) Run(ctx context.Context) (err error) {
	if len(e.streams) == 0 {
		e.log.Info("no callback URL is set, the exporter has nothing to do")
		<-ctx.Done()
		return nil
	}
	producers := map[event.Topic]*kafkalog.Producer{}
	defer func() { err = errors.Join(err, closeAll(ctx, producers)) }()
	for _, t := range []event.Topic{event.Deliveries, event.Control, event.CallbackDeadLetters} {
		if producers[t], err = e.deps.Kafka.NewProducer(ctx, t); err != nil {
			delete(producers, t)
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	group, _ := service.NewGroup(ctx)
	group.Go("follow control", e.control.run)
	if e.rooms != nil {
		group.Go("follow rooms", e.rooms.Run)
		group.Go("follow gateways", e.members.Run)
	}
	for name, s := range e.streams {
		run := s.run
		if shots := e.shots[name]; shots != nil {
			run = shots.run
		}
		s.journal, s.control, s.letters = producers[event.Deliveries], producers[event.Control], producers[event.CallbackDeadLetters]
		group.Go("export "+string(name), func(ctx context.Context) error {
			if err := e.control.ready(ctx); err != nil {
				return err
			}
			return run(ctx)
		})
	}
	return group.Wait()
}

// closeAll ends the producers; what they still hold they try to write for a few seconds.
func closeAll(ctx context.Context, producers map[event.Topic]*kafkalog.Producer) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	var errs []error
	for _, p := range producers {
		errs = append(errs, p.Close(ctx))
	}
	return errors.Join(errs...)
}

// Status tells how every stream does in this process, by its name; streams without URL are off. It may be called at any time.
func (e *Exporter) Status() map[Stream]StreamStatus {
	out := map[Stream]StreamStatus{}
	for _, name := range Streams() {
		out[name] = StreamStatus{State: Off}
		if s := e.streams[name]; s != nil {
			out[name] = s.status()
		}
	}
	return out
}
