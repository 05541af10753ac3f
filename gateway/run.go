package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

	"splitsync/event"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/rooms"
	"splitsync/internal/service"
)

// MinFreeBytes is the free disk below which nothing new is taken.
const MinFreeBytes = 1 << 30

// Deps are what a gateway shares with the other roles of its process.
type Deps struct {
	Log       *kafkalog.Log          // opened and checked; its owner closes it after Run
	Metrics   *metrics.Registry      // nil: the gateway's metrics are registered nowhere
	Health    *metrics.Health        // nil: nobody asks
	FreeBytes func() (uint64, error) // free disk of the log; nil: not checked
	// Verbose adds to the verbose health, what is there under its keys is replaced; nil: nothing. ctx ends after 2 s.
	Verbose func(ctx context.Context) map[string]any
}

// Server is one gateway.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	faults  *service.Throttle
	klog    *kafkalog.Log
	metrics Metrics
	health  *metrics.Health

	dir        *rooms.Directory
	presenceOf *rooms.Presence
	writer     *rooms.Writer
	reporter   *rooms.Reporter
	chat       *kafkalog.Producer
	sessions   *kafkalog.Producer

	hub     hub
	ends    ends
	memory  memory
	keys    *httpapi.Keys
	origins httpapi.Origins
	web     httpapi.Responder
	policy  string // of the chat page

	base  context.Context // of connections and tails
	cut   context.CancelFunc
	birth atomic.Pointer[string] // the incarnation
	ready atomic.Bool
	full  atomic.Bool // the disk
	free  atomic.Uint64

	mu       sync.Mutex
	conns    map[*conn]struct{}
	count    int // connections and handshakes
	draining bool
	wg       sync.WaitGroup // every goroutine that Run has to wait for
	stopped  atomic.Bool    // no goroutine may be started any more
}

// New opens the gateway's producers; Run has to be called, it closes them. ctx bounds only the start.
func New(ctx context.Context, cfg Config, deps Deps, log *slog.Logger) (*Server, error) {
	cfg = cfg.withDefaults()
	if errs := cfg.Validate(); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Server{
		cfg: cfg, deps: deps, log: log, faults: service.NewThrottle(log, time.Minute), klog: deps.Log, health: deps.Health,
		keys: httpapi.NewKeys(cfg.AdminAPIKeys), conns: map[*conn]struct{}{},
		policy: pagePolicy(chatPage),
	}
	s.web = httpapi.Responder{Log: log, Rules: rules, Faults: s.faults}
	if s.health == nil {
		s.health = metrics.NewHealth()
	}
	s.health.NotReady(healthPart, "starting")
	reg := deps.Metrics
	if reg == nil {
		reg = metrics.NewRegistry("")
	}
	if err := metrics.New(reg, &s.metrics); err != nil {
		return nil, err
	}
	origins := cfg.AllowedOrigins
	if len(origins) == 0 && cfg.Auth == "none" {
		origins = []string{"*"}
	}
	s.origins = httpapi.NewOrigins(origins)
	s.hub = hub{s: s, parts: map[int]*partition{}, lost: map[int]int64{}}
	s.ends = ends{s: s, open: map[string]*sessionEnd{}}
	s.base, s.cut = context.WithCancel(context.WithoutCancel(ctx))
	s.dir, s.presenceOf = rooms.Open(deps.Log), rooms.OpenPresence(deps.Log)
	s.dir.OnChange(s.followRegister)
	if err := s.openProducers(ctx); err != nil {
		return nil, errors.Join(err, s.closeProducers(ctx))
	}
	return s, nil
}

// healthPart names the gateway in /readyz.
const healthPart = "gateway"

func (s *Server) openProducers(ctx context.Context) (err error) {
	if s.chat, err = s.klog.NewProducer(ctx, event.Chat); err != nil {
		return err
	}
	if s.sessions, err = s.klog.NewProducer(ctx, event.Sessions); err != nil {
		return err
	}
	if s.writer, err = rooms.OpenWriter(ctx, s.klog); err != nil {
		return err
	}
	s.reporter, err = rooms.OpenReporter(ctx, s.klog, func(err error) {
		s.faults.Warn("report", "heartbeat was not written", "error", err.Error())
	})
	return err
}

func (s *Server) closeProducers(ctx context.Context) error {
	var errs []error
	if s.chat != nil {
		errs = append(errs, s.chat.Close(ctx))
	}
	if s.sessions != nil {
		errs = append(errs, s.sessions.Close(ctx))
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close(ctx))
	}
	if s.reporter != nil {
		errs = append(errs, s.reporter.Close(ctx))
	}
	return errors.Join(errs...)
}

// Routes mounts /ws/rooms/{room_id}, the rooms part of /management, and the chat page at /.
func (s *Server) Routes(r chi.Router) {
	r.Get("/", s.page)
	r.Get("/ws/rooms/{room_id}", s.web.Handle(s.connect))
	r.Get("/management/health", s.web.Handle(s.healthRoute))
	r.Group(func(r chi.Router) {
		r.Use(s.web.RequireKey(s.keys))
		r.Post("/management/rooms", s.web.Handle(s.createRoom))
		r.Get("/management/rooms", s.web.Handle(s.listRooms))
		r.Get("/management/rooms/{room_id}", s.web.Handle(s.getRoom))
		r.Delete("/management/rooms/{room_id}", s.web.Handle(s.closeRoom))
		r.Put("/management/rooms/{room_id}/admins", s.web.Handle(s.setAdmins))
		r.Delete("/management/rooms/{room_id}/bans/{user_id}", s.web.Handle(s.unban))
		r.Post("/management/rooms/{room_id}/system-message", s.web.Handle(s.systemMessage))
	})
}

// Origins returns who may use the routes from a browser page, for a router that puts CORS before all of them.
func (s *Server) Origins() httpapi.Origins { return s.origins }

// Run follows the log and serves what Routes accepted until ctx ends; then it drains (see drain) and returns when nothing of it is
// left running. It is ready, and Routes answer something else than 503, only after it has read the topics rooms and gateways to the end.
func (s *Server) Run(ctx context.Context) error {
	g, gctx := service.NewGroup(s.base)
	g.Go("follow rooms", s.dir.Run)
	g.Go("follow gateways", s.presenceOf.Run)
	g.Go("report", s.reporter.Run)
	g.Go("incarnation", s.followIncarnation)
	g.Go("housekeeping", s.housekeeping)
	g.Go("disk", s.watchDisk)
	s.becomeReady(ctx, gctx)
	select {
	case <-ctx.Done():
	case <-gctx.Done():
	}
	s.health.NotReady(healthPart, "draining")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	s.drain(end)
	s.hub.stop()
	s.cut()
	err := g.Wait()
	s.wg.Wait()
	if cerr := s.closeProducers(end); cerr != nil {
		s.log.Warn("producers were closed before everything was flushed", "error", cerr.Error())
	}
	return err
}

func (s *Server) becomeReady(ctx, group context.Context) {
	for _, ready := range []<-chan struct{}{s.dir.Ready(), s.presenceOf.Ready()} {
		select {
		case <-ready:
		case <-ctx.Done():
			return
		case <-group.Done():
			return
		}
	}
	s.ready.Store(true)
	s.health.Ready(healthPart)
	s.log.Info("gateway is ready", "rooms", len(s.dir.List()), "incarnation", s.incarnation())
}

// Run is the role gateway: it opens the log, serves clients, management and metrics, and drains when ctx ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	klog, err := kafkalog.OpenChecked(ctx, cfg.Kafka, log)
	if err != nil {
		return err
	}
	defer func() { _ = klog.Close() }()
	ln, err := service.Listen(ctx, cfg.BindAddress, "BIND_ADDRESS")
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }()
	probes, err := metrics.Listen(ctx, cfg.MetricsAddress)
	if err != nil {
		return err
	}
	reg, health := metrics.NewRegistry(cfg.Version), metrics.NewHealth()
	s, err := New(ctx, cfg, Deps{Log: klog, Metrics: reg, Health: health}, log)
	if err != nil {
		if probes != nil {
			err = errors.Join(err, probes.Close())
		}
		return err
	}
	router := s.web.Router()
	router.Use(s.origins.CORS)
	s.Routes(router)
	log.Info("gateway listens", "address", ln.Addr().String())
	return service.Run(ctx, map[string]func(context.Context) error{
		"gateway": s.Run,
		"http": func(ctx context.Context) error {
			return service.Serve(ctx, ln, router, service.ServeOptions{Log: log, ShutdownTimeout: s.cfg.DrainTimeout})
		},
		"metrics": func(ctx context.Context) error { return metrics.ServeOn(ctx, probes, reg, health, log) },
	})
}

// rules is the one table from an error to the answer of a route.
var rules = []httpapi.Rule{
	{Is: kafkalog.ErrOutcomeUnknown, Status: http.StatusServiceUnavailable, Detail: "outcome unknown: look, then retry", RetryAfter: tryAgain},
	{Is: kafkalog.ErrTooLarge, Status: http.StatusRequestEntityTooLarge, Detail: "too big for the log"},
	{Is: kafkalog.ErrQueueFull, Status: http.StatusServiceUnavailable, Detail: "overloaded", RetryAfter: tryAgain},
	{Is: kafkalog.ErrNotStored, Status: http.StatusServiceUnavailable, Detail: "the log is unavailable: not stored", RetryAfter: tryAgain},
	{Is: kafkalog.ErrRefused, Status: http.StatusServiceUnavailable, Detail: "the log refused the record: not stored", RetryAfter: tryAgain},
	{Is: kafkalog.ErrClosed, Status: http.StatusServiceUnavailable, Detail: "stopping", RetryAfter: tryAgain},
	{Is: context.Canceled, Status: http.StatusServiceUnavailable, Detail: "stopping", RetryAfter: tryAgain},
}

// available tells whether new connections and changes are taken.
func (s *Server) available() error {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	switch {
	case draining:
		return httpapi.Unavailable(tryAgain, nil, "draining")
	case !s.ready.Load():
		return httpapi.Unavailable(tryAgain, nil, "starting")
	}
	return nil
}

// writable tells why nothing new can be stored now, or nil.
func (s *Server) writable() error {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	switch {
	case s.full.Load():
		return fmt.Errorf("less than %d MiB of disk are free: not stored", MinFreeBytes>>20)
	case draining:
		return errors.New("draining: not stored, retry")
	}
	return nil
}
