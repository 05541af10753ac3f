package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"splitsync/internal/service"
)

// Handler serves /metrics, /livez (200 while the process answers) and /readyz (Health).
func Handler(reg *Registry, health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg.Registry, promhttp.HandlerOpts{Registry: nil, EnableOpenMetrics: true}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "live\n")
	})
	mux.Handle("GET /readyz", health)
	return mux
}

// Serve answers with Handler on addr (METRICS_ADDRESS; "off" serves nothing) until ctx ends. A taken address is an error at once.
func Serve(ctx context.Context, addr string, reg *Registry, health *Health, log *slog.Logger) error {
	ln, err := Listen(ctx, addr)
	if err != nil {
		return err
	}
	return ServeOn(ctx, ln, reg, health, log)
}

// Listen opens addr (METRICS_ADDRESS) for ServeOn, for those who want to know early that it is taken; nil for "off".
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	if addr == "off" {
		return nil, nil
	}
	return service.Listen(ctx, addr, "METRICS_ADDRESS")
}

// ServeOn is Serve on a listener of Listen, which it closes.
func ServeOn(ctx context.Context, ln net.Listener, reg *Registry, health *Health, log *slog.Logger) error {
	if ln == nil {
		<-ctx.Done()
		return nil
	}
	return service.Serve(ctx, ln, Handler(reg, health), service.ServeOptions{Log: log})
}
