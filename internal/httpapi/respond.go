package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"splitsync/internal/service"
)

// Handler answers a request or returns an error that Responder turns into one.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Responder answers errors by one table.
type Responder struct {
	Log    *slog.Logger
	Rules  []Rule
	Faults *service.Throttle // for answers of 501 and above; nil: they are logged at level debug only
}

// WriteJSON answers with status and v as JSON. It writes nothing when v cannot be encoded and returns the error.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return writeJSON(w, status, "application/json", v)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	// A failed write means that the client has gone.
	_, _ = w.Write(b.Bytes())
	return nil
}

// Handle makes h an http.HandlerFunc: its error is answered as problem+json. When the answer has already begun the connection is cut instead, so
// that the client sees that something is missing.
func (rs Responder) Handle(h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ww, ok := w.(middleware.WrapResponseWriter)
		if !ok {
			ww = middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		}
		err := h(ww, r)
		if err == nil {
			return
		}
		if ww.Status() != 0 {
			rs.logger().Warn("answer cut short", "request_id", RequestID(r.Context()), "path", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler)
		}
		rs.Fail(ww, r, err)
	}
}

// Fail answers err as problem+json. A 5xx is logged with its request id: a 500, which names that id and nothing else, always at level error; others
// at debug, because a storm of clients meets them all at once, and what caused them as a warning that is throttled.
func (rs Responder) Fail(w http.ResponseWriter, r *http.Request, err error) {
	e := resolve(rs.Rules, err)
	id := RequestID(r.Context())
	detail := e.Detail
	if e.Status >= 500 {
		level := slog.LevelDebug
		if e.Status == http.StatusInternalServerError {
			level = slog.LevelError
			detail = "internal error, request id " + id
		} else if e.Cause != nil && rs.Faults != nil {
			rs.Faults.Warn("answer/"+strconv.Itoa(e.Status), "requests are refused", "request_id", id, "status", e.Status, "err", err)
		}
		rs.logger().Log(r.Context(), level, "request failed", "request_id", id, "method", r.Method, "path", r.URL.Path, "status", e.Status, "err", err)
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	p := Problem{
		Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status,
		Detail: detail, Instance: r.URL.Path, Error: detail, RequestID: id,
	}
	if err := writeJSON(w, e.Status, "application/problem+json", p); err != nil {
		rs.logger().Error("request failed", "request_id", id, "err", err)
	}
}

// NotFound answers 404 for a path that has no route.
func (rs Responder) NotFound(w http.ResponseWriter, r *http.Request) {
	rs.Fail(w, r, Errorf(http.StatusNotFound, "no such route"))
}

// MethodNotAllowed answers 405 with the methods that the path has.
func (rs Responder) MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	if rc := chi.RouteContext(r.Context()); rc != nil && rc.Routes != nil {
		for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if rc.Routes.Match(chi.NewRouteContext(), m, r.URL.Path) {
				w.Header().Add("Allow", m)
			}
		}
	}
	rs.Fail(w, r, Errorf(http.StatusMethodNotAllowed, "method %s is not allowed here", r.Method))
}

// Router is a chi router with everything of this package on it: request ids, access log, recovery, and problem+json for 404 and 405.
func (rs Responder) Router() *chi.Mux {
	r := chi.NewRouter()
	r.Use(WithRequestID, rs.AccessLog, rs.Recover)
	r.NotFound(rs.NotFound)
	r.MethodNotAllowed(rs.MethodNotAllowed)
	return r
}

// AccessLog logs each answer at level debug, and a 500 at info: method, path without query, status, bytes, duration.
func (rs Responder) AccessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			level := slog.LevelDebug
			if ww.Status() == http.StatusInternalServerError {
				level = slog.LevelInfo
			}
			rs.logger().Log(r.Context(), level, "request", "request_id", RequestID(r.Context()), "method", r.Method, "path", r.URL.Path,
				"status", ww.Status(), "bytes", ww.BytesWritten(), "duration_ms", time.Since(start).Milliseconds(), "remote", r.RemoteAddr)
		}()
		next.ServeHTTP(ww, r)
	})
}

// Recover turns a panic into a logged 500, or, when the answer has begun, cuts the connection.
func (rs Responder) Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ww, ok := w.(middleware.WrapResponseWriter)
		if !ok {
			ww = middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(v)
			}
			rs.logger().Error("panic", "request_id", RequestID(r.Context()), "path", r.URL.Path, "panic", panicText(v), "stack", string(debug.Stack()))
			if ww.Status() != 0 {
				panic(http.ErrAbortHandler)
			}
			rs.Fail(ww, r, &Error{Status: http.StatusInternalServerError})
		}()
		next.ServeHTTP(ww, r)
	})
}

// panicText never has a value that could be a client's text.
func panicText(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

func (rs Responder) logger() *slog.Logger {
	if rs.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return rs.Log
}
