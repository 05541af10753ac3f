package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// ServeOptions bound a server. A zero field takes the default.
type ServeOptions struct {
	// ReadHeaderTimeout bounds the time until a request's headers are complete, a WebSocket handshake included (10 s).
	ReadHeaderTimeout time.Duration
	// IdleTimeout closes a kept connection that asks nothing (120 s).
	IdleTimeout time.Duration
	// ShutdownTimeout is how long running requests may go on after ctx has ended; then their contexts end and the connections are closed (10 s).
	ShutdownTimeout time.Duration
	// MaxHeaderBytes bounds the request line and headers (32 KiB).
	MaxHeaderBytes int
	// ConnContext is handed to http.Server.
	ConnContext func(ctx context.Context, c net.Conn) context.Context
	// Log gets the server's own complaints, at level debug, because strangers can cause them.
	Log *slog.Logger
}

func (o ServeOptions) withDefaults() ServeOptions {
	if o.ReadHeaderTimeout <= 0 {
		o.ReadHeaderTimeout = 10 * time.Second
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 120 * time.Second
	}
	if o.ShutdownTimeout <= 0 {
		o.ShutdownTimeout = 10 * time.Second
	}
	if o.MaxHeaderBytes <= 0 {
		o.MaxHeaderBytes = 32 << 10
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Serve answers requests on ln with h until ctx ends, then takes no new ones, waits at most ShutdownTimeout for the running ones, and returns. It
// closes ln. Contexts of requests do not end with ctx but when the server has stopped waiting for them. Hijacked connections (WebSocket) are
// their owner's: they are neither awaited nor closed.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, o ServeOptions) error {
	o = o.withDefaults()
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeaderBytes,
		ConnContext:       o.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	bound, stop := context.WithTimeout(base, o.ShutdownTimeout)
	defer stop()
	err := srv.Shutdown(bound)
	if errors.Is(err, context.DeadlineExceeded) {
		cancel()
		err = srv.Close()
	}
	<-served
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop serving %s: %w", ln.Addr(), err)
	}
	return nil
}

// Listen opens a TCP listener on addr (host:port; port 0 takes a free one). setting names the variable that addr came from, so that the error of
// a taken port or a wrong address says what to change.
func Listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: another process listens on %s: stop it or set %s to another address", setting, addr, setting)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: not allowed to listen on %s: set %s to a port above 1023", setting, addr, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s: this machine has no address %s", setting, addr)
	}
	return nil, fmt.Errorf("%s: listen on %s: %w", setting, addr, err)
}
