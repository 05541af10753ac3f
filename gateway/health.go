package gateway

import (
	"context"
	"maps"
	"net/http"
	"time"

	"splitsync/event"
	"splitsync/internal/httpapi"
)

// healthWithin bounds how long each server is asked.
const healthWithin = 2 * time.Second

// healthRoute is GET /management/health: OK without a key while the process answers; ?verbose=1 with one.
func (s *Server) healthRoute(w http.ResponseWriter, r *http.Request) error {
	q := httpapi.NewQuery(r)
	verbose := q.Bool("verbose", false)
	if err := q.Err(); err != nil {
		return err
	}
	if !verbose {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK"))
		return nil
	}
	if !s.keys.Allowed(r) {
		return httpapi.Errorf(http.StatusUnauthorized, "missing or wrong API key (X-Api-Key or Authorization: Bearer)")
	}
	return httpapi.WriteJSON(w, http.StatusOK, s.verboseHealth(r.Context()))
}

// verboseHealth tells what this gateway knows; what it does not know is null.
func (s *Server) verboseHealth(ctx context.Context) map[string]any {
	ask, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	status, kafka := "ok", "ok"
	if _, _, err := s.klog.Offsets(ask, event.Rooms, 0); err != nil {
		status, kafka = "degraded", "unreachable"
	}
	if s.available() != nil || s.writable() != nil {
		status = "degraded"
	}
	out := map[string]any{
		"status": status, "kafka": kafka, "clickhouse": nil, "callbacks": nil, "consistency": nil, "disk_free": nil,
		"connections": len(s.connections()), "incarnation": s.incarnation(), "pending_session_ends": s.ends.count(),
	}
	if s.deps.FreeBytes != nil {
		out["disk_free"] = s.free.Load()
	}
	if s.deps.Verbose != nil {
		ask, cancel := context.WithTimeout(ctx, healthWithin) // its own: Kafka may have used up the other
		defer cancel()
		maps.Copy(out, s.deps.Verbose(ask))
	}
	return out
}
