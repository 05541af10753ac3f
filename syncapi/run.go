// Package syncapi serves the history over REST: rooms, chat and sessions by page, the old server's routes, and the description of all that. It
// promises that an answer holds at least what its X-Sync-Watermark says, that pages of one snapshot neither shift nor overlap while more is
// stored, and that a wrong parameter is named in a 400 and never ignored.
//
// Which rooms are known: those whose room_created record ingest has stored, open and closed ones alike. A room that was created a moment ago is
// answered 404 until then (usually less than a second), unless the page that is asked for already has records. To wait for a room, ask
// GET /management/sync/rooms until it is listed, or use min_watermark of the session history with the offset of its creation, if known.
package syncapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/klauspost/compress/gzhttp"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/service"
)

// Deps are what a sync API shares with the other roles of its process. Their owner closes them after Run.
type Deps struct {
	Log     *kafkalog.Log     // checked or migrated
	History *history.Store    // checked or migrated
	Metrics *metrics.Registry // nil: the metrics are registered nowhere
	Health  *metrics.Health   // nil: nobody asks
}

// Server is one sync API.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics Metrics
	keys    *httpapi.Keys
	origins httpapi.Origins
	web     httpapi.Responder
	gzip    func(http.Handler) http.HandlerFunc

	chat, sessions *marks
	control        *kafkalog.Producer
	legacySlots    chan struct{}
}

const (
	healthPart = "syncapi"
	closeTime  = 5 * time.Second // bounds the flush of the producer at the end
	writeGrace = time.Minute     // for a client that reads slowly, beyond the time of the request
	tryAgain   = time.Second     // Retry-After where nothing better is known
)

// New prepares the routes and opens a producer; Run has to be called, it closes it. ctx bounds only the start.
func New(ctx context.Context, cfg Config, deps Deps, log *slog.Logger) (*Server, error) {
	cfg.Settings = cfg.Settings.withDefaults()
	throttle := service.NewThrottle(log, 0)
	s := &Server{
		cfg: cfg, deps: deps, log: log, keys: httpapi.NewKeys(cfg.AdminAPIKeys), origins: httpapi.NewOrigins(cfg.AllowedOrigins),
		web:  httpapi.Responder{Log: log, Rules: rules, Faults: throttle},
		chat: newMarks(deps.Log, event.Chat, throttle), sessions: newMarks(deps.Log, event.Sessions, throttle),
		legacySlots: make(chan struct{}, cfg.LegacyParallel),
	}
	reg := deps.Metrics
	if reg == nil {
		reg = metrics.NewRegistry("")
	}
	if err := metrics.New(reg, &s.metrics); err != nil {
		return nil, fmt.Errorf("metrics of the sync API: %w", err)
	}
	var err error
	if s.gzip, err = gzhttp.NewWrapper(gzhttp.MinSize(1 << 10)); err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	if s.control, err = deps.Log.NewProducer(ctx, event.Control); err != nil {
		return nil, err
	}
	return s, nil
}

// Routes mounts /management/sync with everything below it, /openapi.json and /docs. The last two need no key: they hold no data, and a browser's
// address line cannot send one.
func (s *Server) Routes(r chi.Router) {
	get := func(r chi.Router, path, route string, h httpapi.Handler) { r.Get(path, s.route(route, h)) }
	r.Group(func(r chi.Router) {
		r.Use(func(next http.Handler) http.Handler { return s.gzip(next) })
		get(r, "/openapi.json", "openapi", openapi)
		get(r, "/docs", "docs", docs)
		r.Group(func(r chi.Router) {
			r.Use(s.web.RequireKey(s.keys))
			get(r, "/management/sync/rooms", "rooms", s.listRooms)
			get(r, "/management/sync/chat-history/{room_id}", "chat_history", s.chatHistory)
			get(r, "/management/sync/session-history/{room_id}", "session_history", s.sessionHistory)
			get(r, "/management/sync", "legacy", s.legacy)
			r.Post("/management/sync", s.route("sync_now", s.syncNow))
		})
	})
}

// route makes h a handler that is counted and bounded in time. The deadline ends the query in ClickHouse too.
func (s *Server) route(name string, h httpapi.Handler) http.HandlerFunc {
	bound := s.cfg.RequestTimeout
	if name == "legacy" {
		bound = s.cfg.LegacyTimeout
	}
	answer := s.web.Handle(func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), bound)
		defer cancel()
		return h(w, r.WithContext(ctx))
	})
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		// A client that does not read is cut. Writers that know no deadline (tests) go without.
		_ = http.NewResponseController(w).SetWriteDeadline(start.Add(bound + writeGrace))
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			s.metrics.Seconds.WithLabelValues(name).Observe(time.Since(start).Seconds())
			s.metrics.Requests.WithLabelValues(name, class(ww.Status())).Inc()
		}()
		answer(ww, r)
	}
}

// fresh waits for min and writes the freshness headers, and counts.
func (s *Server) fresh(m *marks, w http.ResponseWriter, r *http.Request, partition int, min []mark) error {
	err := m.freshness(r.Context(), w.Header(), partition, min)
	if err != nil && len(min) > 0 {
		s.metrics.Late.Inc()
	}
	if err == nil && w.Header().Get("X-Sync-Watermark") == "" {
		s.metrics.Blind.Inc()
	}
	return err
}

// storeError makes a fault of the history a 503: the next attempt may find it well. Ends of the request keep their own answer.
func storeError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return httpapi.Unavailable(tryAgain, err, "the history is unavailable")
}

// class is the first digit of a status with xx.
func class(status int) string {
	switch {
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	}
	return "2xx"
}

// Run is ready until ctx ends; then it flushes and closes what New opened.
func (s *Server) Run(ctx context.Context) error {
	if s.deps.Health != nil {
		s.deps.Health.Ready(healthPart)
	}
	<-ctx.Done()
	if s.deps.Health != nil {
		s.deps.Health.NotReady(healthPart, "stopping")
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := s.control.Close(end); err != nil {
		s.log.Warn("producer was closed before everything was flushed", "err", err)
	}
	return nil
}

// Run is the role syncapi: it opens the log and the history, serves the routes and metrics, and drains when ctx ends. A Kafka or ClickHouse that is
// not there yet is waited for.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	klog, err := kafkalog.OpenChecked(ctx, cfg.Kafka, log)
	if err != nil {
		return err
	}
	defer func() { _ = klog.Close() }()
	store, err := history.OpenChecked(ctx, cfg.ClickHouse, log)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	ln, err := service.Listen(ctx, cfg.BindAddress, "BIND_ADDRESS")
	if err != nil {
		return err
	}
	reg, health := metrics.NewRegistry(cfg.Version), metrics.NewHealth()
	s, err := New(ctx, cfg, Deps{Log: klog, History: store, Metrics: reg, Health: health}, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	router := s.web.Router()
	router.Use(s.origins.CORS)
	s.Routes(router)
	log.Info("syncapi listens", "address", ln.Addr().String())
	return service.Run(ctx, map[string]func(context.Context) error{
		"syncapi": s.Run,
		"http": func(ctx context.Context) error {
			return service.Serve(ctx, ln, router, service.ServeOptions{Log: log})
		},
		"metrics": func(ctx context.Context) error { return metrics.Serve(ctx, cfg.MetricsAddress, reg, health, log) },
	})
}

// rules is the one table from an error to its answer.
var rules = []httpapi.Rule{
	{Is: context.DeadlineExceeded, Status: http.StatusServiceUnavailable, Detail: "took too long: ask for less, or later", RetryAfter: tryAgain},
	{Is: context.Canceled, Status: http.StatusServiceUnavailable, Detail: "stopping", RetryAfter: tryAgain},
	{Is: kafkalog.ErrOutcomeUnknown, Status: http.StatusServiceUnavailable, Detail: "outcome unknown: retry", RetryAfter: tryAgain},
	{Is: kafkalog.ErrNotStored, Status: http.StatusServiceUnavailable, Detail: "the log is unavailable: not stored", RetryAfter: tryAgain},
	{Is: kafkalog.ErrQueueFull, Status: http.StatusServiceUnavailable, Detail: "overloaded", RetryAfter: tryAgain},
	{Is: kafkalog.ErrRefused, Status: http.StatusServiceUnavailable, Detail: "the log refused the record: not stored", RetryAfter: tryAgain},
	{Is: kafkalog.ErrClosed, Status: http.StatusServiceUnavailable, Detail: "stopping", RetryAfter: tryAgain},
}
