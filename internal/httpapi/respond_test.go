package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"splitsync/internal/service"
)

var errClosed = errors.New("room is closed")

// api is a small service with every kind of failure.
func api(log io.Writer) http.Handler {
	rs := Responder{
		Log:   slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Rules: []Rule{{Is: errClosed, Status: http.StatusConflict}, {Is: io.ErrNoProgress, Status: 503, Detail: "log unavailable", RetryAfter: 1500 * time.Millisecond}},
	}
	fail := func(err error) http.HandlerFunc {
		return rs.Handle(func(http.ResponseWriter, *http.Request) error { return err })
	}
	r := rs.Router()
	r.Get("/ok", rs.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		return WriteJSON(w, http.StatusCreated, map[string]string{"a": "<&>"})
	}))
	r.Post("/ok", fail(nil))
	r.Get("/bad", fail(BadRequest("limit", "want a whole number from %d to %d", 1, 100)))
	r.Get("/gone", fail(fmt.Errorf("get: %w", NotFound("room %s", "r1"))))
	r.Get("/closed", fail(fmt.Errorf("send: %w", errClosed)))
	r.Get("/log", fail(fmt.Errorf("append: %w", io.ErrNoProgress)))
	r.Get("/many", fail(TooMany(2*time.Second, "too many requests")))
	r.Get("/boom", fail(errors.New("secret cause")))
	r.Get("/encode", rs.Handle(func(w http.ResponseWriter, _ *http.Request) error { return WriteJSON(w, 200, func() {}) }))
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("text of a client") })
	r.Get("/cut", rs.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<16))
		return errors.New("later")
	}))
	r.Get("/cutpanic", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<16))
		panic("later")
	})
	r.Route("/management", func(r chi.Router) {
		r.Use(rs.RequireKey(NewKeys([]string{"old", "new", ""})))
		r.Get("/rooms", fail(nil))
	})
	return r
}

func TestProblems(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
		detail       string
		header       string
	}{
		{"GET", "/bad", 400, "limit: want a whole number from 1 to 100", ""},
		{"GET", "/gone", 404, "room r1 not found", ""},
		{"GET", "/closed", 409, "room is closed", ""},
		{"GET", "/log", 503, "log unavailable", "Retry-After: 2"},
		{"GET", "/many", 429, "too many requests", "Retry-After: 2"},
		{"GET", "/nowhere?x=1", 404, "no such route", ""},
		{"DELETE", "/ok", 405, "method DELETE is not allowed here", "Allow: GET,POST"},
		{"GET", "/management/rooms", 401, "missing or wrong API key (X-Api-Key or Authorization: Bearer)", "Www-Authenticate: Bearer"},
		{"GET", "/boom", 500, "internal error, request id abc", ""},
		{"GET", "/encode", 500, "internal error, request id abc", ""},
		{"GET", "/panic", 500, "internal error, request id abc", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			var log bytes.Buffer
			req := httptest.NewRequest(tt.method, tt.path, nil)
			req.Header.Set("X-Request-Id", "abc")
			w := httptest.NewRecorder()
			api(&log).ServeHTTP(w, req)
			path, _, _ := strings.Cut(tt.path, "?")
			want := Problem{Type: "about:blank", Title: http.StatusText(tt.status), Status: tt.status, Detail: tt.detail, Instance: path, Error: tt.detail, RequestID: "abc"}
			var got Problem
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got != want || w.Code != tt.status {
				t.Errorf("got %d %s, %v", w.Code, w.Body, err)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %q", ct)
			}
			if k, v, ok := strings.Cut(tt.header, ": "); ok && strings.Join(w.Header()[k], ",") != v {
				t.Errorf("header %s: got %q", tt.header, w.Header()[k])
			}
			if !strings.Contains(log.String(), `"request_id":"abc"`) {
				t.Errorf("the log has no request id: %s", &log)
			}
			if strings.Contains(w.Body.String(), "secret cause") || strings.Contains(log.String(), "text of a client") || strings.Contains(log.String(), "x=1") {
				t.Errorf("told too much: %s\n%s", w.Body, &log)
			}
		})
	}
}

// A reconnect storm must not flood the log.
func TestAStormOfRefusalsIsOneLine(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil)) // level info
	rs := Responder{Log: log, Faults: service.NewThrottle(log, time.Minute)}
	r := rs.Router()
	r.Get("/starting", rs.Handle(func(http.ResponseWriter, *http.Request) error { return Unavailable(time.Second, nil, "starting") }))
	r.Get("/broken", rs.Handle(func(http.ResponseWriter, *http.Request) error {
		return Unavailable(time.Second, errClosed, "the log is unavailable")
	}))
	for range 50 {
		for _, path := range []string{"/starting", "/broken"} {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
				t.Fatalf("%s: %d %v", path, w.Code, w.Header())
			}
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 1 || !strings.Contains(out.String(), "room is closed") {
		t.Errorf("%d lines:\n%s", lines, &out)
	}
}

func TestWriteJSON(t *testing.T) {
	w := httptest.NewRecorder()
	api(io.Discard).ServeHTTP(w, httptest.NewRequest("GET", "/ok", nil))
	if w.Code != 201 || w.Body.String() != "{\"a\":\"<&>\"}\n" || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != "12" {
		t.Errorf("got %d %q %v", w.Code, w.Body, w.Header())
	}
	if id := w.Header().Get("X-Request-Id"); len(id) != 16 {
		t.Errorf("request id %q", id)
	}
}

func TestRequestIDOfAStranger(t *testing.T) {
	for _, id := range []string{"a b", "a\nb", strings.Repeat("a", 65), "é"} {
		req := httptest.NewRequest("GET", "/ok", nil)
		req.Header["X-Request-Id"] = []string{id}
		w := httptest.NewRecorder()
		api(io.Discard).ServeHTTP(w, req)
		if w.Header().Get("X-Request-Id") == id {
			t.Errorf("accepted %q", id)
		}
	}
}

// A failure behind the first byte must not look like a whole answer.
func TestAnswerThatHasBegunIsCut(t *testing.T) {
	srv := httptest.NewServer(api(io.Discard))
	defer srv.Close()
	for _, path := range []string{"/cut", "/cutpanic"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: the client saw a whole answer", path)
		}
		resp.Body.Close()
	}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		header, value string
		status        int
	}{
		{"X-Api-Key", "old", 200},
		{"X-Api-Key", "new", 200},
		{"Authorization", "Bearer new", 200},
		{"Authorization", "bearer old", 200},
		{"Authorization", "Basic new", 401},
		{"Authorization", "new", 401},
		{"X-Api-Key", "ne", 401},
		{"X-Api-Key", "", 401},
		{"X-Other", "new", 401},
	}
	for _, tt := range tests {
		req := httptest.NewRequest("GET", "/management/rooms", nil)
		req.Header.Set(tt.header, tt.value)
		w := httptest.NewRecorder()
		api(io.Discard).ServeHTTP(w, req)
		if w.Code != tt.status {
			t.Errorf("%s: %s: got %d, want %d", tt.header, tt.value, w.Code, tt.status)
		}
	}
	k := NewKeys(nil)
	req := httptest.NewRequest("GET", "/", nil)
	req.Header.Set("X-Api-Key", "late")
	if k.Allowed(req) {
		t.Error("no keys, but allowed")
	}
	if k.Set([]string{"late"}); !k.Allowed(req) {
		t.Error("a key that was set later is refused")
	}
}
