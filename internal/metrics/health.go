package metrics

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Health is what /readyz answers: the parts of a process that are not ready, and why. Safe for concurrent use.
type Health struct {
	mu      sync.Mutex
	missing map[string]string
}

// NewHealth is ready until a part says otherwise.
func NewHealth() *Health {
	return &Health{missing: map[string]string{}}
}

// NotReady says that part is not ready; why is shown to whoever asks, so it holds no secret.
func (h *Health) NotReady(part, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missing[part] = why
}

// Ready says that part is ready.
func (h *Health) Ready(part string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.missing, part)
}

// Err is nil when every part is ready, else it names the others in order.
func (h *Health) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.missing) == 0 {
		return nil
	}
	parts := make([]string, 0, len(h.missing))
	for part, why := range h.missing {
		parts = append(parts, part+": "+why)
	}
	slices.Sort(parts)
	return fmt.Errorf("not ready: %s", strings.Join(parts, "; "))
}

// ServeHTTP answers 200 or 503 with the reasons.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := h.Err(); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, err.Error()+"\n")
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}
