package testkit

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// maxCallback bounds a body that the receiver reads.
const maxCallback = 64 << 20

// Received is one request that reached a Receiver.
type Received struct {
	At      time.Time // when its body had been read
	Path    string
	Header  http.Header
	Body    []byte // as it came, perhaps compressed
	ID      string // the webhook-id header
	Answer  Answer // what it was answered
	Arrival int    // 0 for the first request of this receiver
}

// Answer is how a Receiver answers. The zero value is 200 at once.
type Answer struct {
	Status int           // 0 = 200
	Header http.Header   // Retry-After and the like
	Body   string        //
	Delay  time.Duration // before the answer
	Hang   bool          // no answer until the client gives up or the test ends
	Drop   bool          // the request is taken, then the connection is cut without an answer
}

// Accepts says whether the sender may take its delivery for done.
func (a Answer) Accepts() bool {
	return !a.Hang && !a.Drop && (a.Status == 0 || a.Status/100 == 2)
}

// Receiver is an HTTP server that keeps every callback and answers by a script.
type Receiver struct {
	tb     testing.TB
	server *httptest.Server
	end    chan struct{}

	mu       sync.Mutex
	script   []Answer
	decide   func(Received) Answer
	requests []Received
}

// NewReceiver starts a receiver on a free port of 127.0.0.1; it ends with the test. It answers 200 to everything until
// Script or Decide say otherwise.
func NewReceiver(tb testing.TB) *Receiver {
	r := &Receiver{tb: tb, end: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	tb.Cleanup(func() {
		close(r.end)
		r.server.Close()
	})
	return r
}

// URL is where the receiver listens, without a path; it takes every path.
func (r *Receiver) URL() string { return r.server.URL }

// Script appends answers for the next requests, in order of arrival; after them Decide or 200 rules again.
func (r *Receiver) Script(answers ...Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = append(r.script, answers...)
}

// Decide sets the function that answers what the script does not; nil = 200. It is called with one request at a time.
func (r *Receiver) Decide(answer func(Received) Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decide = answer
}

// Requests are all requests so far, in order of arrival, also refused ones.
func (r *Receiver) Requests() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// Accepted are the requests that were answered 2xx, the first of each id only, in order of arrival: what a receiver that
// dedupes by webhook-id has.
func (r *Receiver) Accepted() []Received {
	seen := map[string]bool{}
	var accepted []Received
	for _, req := range r.Requests() {
		if req.Answer.Accepts() && (req.ID == "" || !seen[req.ID]) {
			seen[req.ID] = true
			accepted = append(accepted, req)
		}
	}
	return accepted
}

// Counts is how often each id came, whatever was answered.
func (r *Receiver) Counts() map[string]int {
	counts := map[string]int{}
	for _, req := range r.Requests() {
		counts[req.ID]++
	}
	return counts
}

// SameBytes is an error naming the first id whose requests did not all have the same body.
func (r *Receiver) SameBytes() error {
	first := map[string]Received{}
	for _, req := range r.Requests() {
		before, ok := first[req.ID]
		if !ok {
			first[req.ID] = req
			continue
		}
		if !bytes.Equal(before.Body, req.Body) {
			return fmt.Errorf("webhook-id %q came with two bodies (requests %d and %d)", req.ID, before.Arrival, req.Arrival)
		}
	}
	return nil
}

// WaitFor waits until cond accepts all requests so far, and fails the test with its last error after timeout.
func (r *Receiver) WaitFor(timeout time.Duration, cond func([]Received) error) {
	r.tb.Helper()
	Eventually(r.tb, timeout, func() error { return cond(r.Requests()) })
}

// WaitForAccepted waits until n different ids have been accepted and returns them.
func (r *Receiver) WaitForAccepted(timeout time.Duration, n int) []Received {
	r.tb.Helper()
	var accepted []Received
	Eventually(r.tb, timeout, func() error {
		if accepted = r.Accepted(); len(accepted) < n {
			return fmt.Errorf("%d of %d accepted, %d requests", len(accepted), n, len(r.Requests()))
		}
		return nil
	})
	return accepted
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxCallback))
	if err != nil {
		return // the sender went away in the middle
	}
	answer := r.record(Received{At: time.Now(), Path: req.URL.Path, Header: req.Header.Clone(), Body: body, ID: req.Header.Get("webhook-id")})
	if !r.hold(req, answer) {
		return
	}
	if answer.Drop {
		panic(http.ErrAbortHandler) // cuts the connection without an answer
	}
	for key, values := range answer.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(cmp.Or(answer.Status, http.StatusOK))
	_, _ = io.WriteString(w, answer.Body)
}

// record keeps a request and chooses its answer.
func (r *Receiver) record(got Received) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	got.Arrival = len(r.requests)
	switch {
	case len(r.script) > 0:
		got.Answer, r.script = r.script[0], r.script[1:]
	case r.decide != nil:
		got.Answer = r.decide(got)
	}
	r.requests = append(r.requests, got)
	return got.Answer
}

// hold waits as the answer says. It is false when there is nobody left to answer.
func (r *Receiver) hold(req *http.Request, answer Answer) bool {
	var wait <-chan time.Time // for ever
	if !answer.Hang {
		if answer.Delay == 0 {
			return true
		}
		timer := time.NewTimer(answer.Delay)
		defer timer.Stop()
		wait = timer.C
	}
	select {
	case <-wait:
		return true
	case <-req.Context().Done():
		return false
	case <-r.end:
		panic(http.ErrAbortHandler)
	}
}
