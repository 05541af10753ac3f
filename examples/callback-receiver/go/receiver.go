package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	maxBodies  = 8
	maxIDBytes = 512
)

// refusal is an answer that is not 2xx; reason is a name of /stats.
type refusal struct {
	status int
	reason string
	text   string
}

// Error is the text of the answer.
func (r *refusal) Error() string { return r.text }

// receiver is the handler of every route.
type receiver struct {
	store   *store
	check   verifier
	maxBody int64
	bodies  chan struct{} // at most maxBodies are read at once
	views   *http.ServeMux
}

func newReceiver(s *store, check verifier, maxBody int64) *receiver {
	r := &receiver{store: s, check: check, maxBody: maxBody, bodies: make(chan struct{}, maxBodies), views: http.NewServeMux()}
	r.views.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	r.views.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.stats()) })
	r.views.HandleFunc("GET /rooms", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.rows()) })
	r.views.HandleFunc("GET /rooms/{id}", func(w http.ResponseWriter, req *http.Request) {
		if found := s.room(req.PathValue("id")); found != nil {
			answer(w, http.StatusOK, found)
			return
		}
		refuse(w, http.StatusNotFound, "not found")
	})
	r.views.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "not found") })
	return r
}

// ServeHTTP takes a callback by POST on any path, and shows what has come by GET.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		r.views.ServeHTTP(w, req)
		return
	case http.MethodPost:
	default:
		refuse(w, http.StatusMethodNotAllowed, "only GET and POST are served")
		return
	}
	r.store.received()
	got, err := r.take(w, req)
	if err == nil {
		answer(w, http.StatusOK, got)
		return
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{http.StatusServiceUnavailable, "storage", "not stored, try again"}
	}
	r.store.rejected(no.reason)
	refuse(w, no.status, no.text)
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) (map[string]string, error) {
	r.bodies <- struct{}{}
	defer func() { <-r.bodies }()
	wire, err := r.read(http.MaxBytesReader(w, req.Body, r.maxBody), "the body ends early")
	if err != nil {
		return nil, err
	}
	raw, err := r.decode(wire, req.Header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	if err := r.check.verify(req.Header, raw, wire); err != nil {
		return nil, err
	}
	b, err := parseBody(raw)
	if err != nil {
		return nil, malformed("bad body: " + err.Error())
	}
	id := req.Header.Get("webhook-id")
	if id == "" { // the old server: the body's own id, else its hash
		id = b.id()
	}
	if id == "" {
		sum := sha256.Sum256(raw)
		id = "sha256:" + hex.EncodeToString(sum[:])
	}
	if len(id) > maxIDBytes {
		return nil, malformed(fmt.Sprintf("the id must have at most %d bytes", maxIDBytes))
	}
	status, err := r.store.add(id, b, raw, req.Header.Get("webhook-replay") == "1", len(r.check) > 0)
	if err != nil {
		return nil, err
	}
	return map[string]string{"status": status, "id": id, "event_type": b.kind}, nil
}

// read reads all of a body that is bounded by MaxBytesReader or by maxBody + 1.
func (r *receiver) read(from io.Reader, fault string) ([]byte, error) {
	b, err := io.ReadAll(from)
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig), int64(len(b)) > r.maxBody:
		return nil, &refusal{http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("the body must have at most %d bytes", r.maxBody)}
	case err != nil:
		return nil, malformed(fault)
	}
	return b, nil
}

func (r *receiver) decode(wire []byte, encoding string) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return wire, nil
	case "gzip":
	default:
		return nil, &refusal{http.StatusUnsupportedMediaType, "encoding", "Content-Encoding must be gzip or absent"}
	}
	src := bytes.NewReader(wire)
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, malformed("bad gzip body")
	}
	z.Multistream(false)
	raw, err := r.read(io.LimitReader(z, r.maxBody+1), "bad gzip body")
	if err == nil && src.Len() > 0 {
		return nil, malformed("bad gzip body")
	}
	return raw, err
}

func malformed(text string) error { return &refusal{http.StatusBadRequest, "malformed", text} }

func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, status int, v any) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, "internal", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // a sender that has gone sends again
}
