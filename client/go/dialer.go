package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// Dialer holds what many connections share: HTTP settings, buffers, and one timer that looks after all of them once a second. It holds no
// goroutine and needs no closing. Safe for concurrent use.
type Dialer struct {
	http    *http.Client
	buffers sync.Pool // *[]byte

	mu    sync.Mutex
	conns map[*Conn]struct{}
	timer *time.Timer
}

// DialerOptions change how a Dialer reaches servers.
type DialerOptions struct {
	TLS *tls.Config // for https and wss
	// DialContext replaces net.Dialer's.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

const (
	sweepEvery       = time.Second
	handshakeTimeout = 15 * time.Second // TCP, TLS, HTTP and WelcomeInfo, each
	writeTimeout     = 15 * time.Second // one frame
)

// NewDialer returns a Dialer. Proxies of the environment are not used.
func NewDialer(o DialerOptions) *Dialer {
	dial := o.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: handshakeTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	d := &Dialer{conns: map[*Conn]struct{}{}}
	d.buffers.New = func() any { b := make([]byte, 0, 4<<10); return &b }
	d.http = &http.Client{
		Timeout: handshakeTimeout,
		// A refused handshake's redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:     o.TLS,
			TLSHandshakeTimeout: handshakeTimeout,
			// Each connection is for one request, so that the socket kept below is that of the request.
			DisableKeepAlives: true,
			ReadBufferSize:    1 << 10,
			WriteBufferSize:   1 << 10,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				if s, ok := ctx.Value(socketKey{}).(*socket); ok {
					s.set(nc)
				}
				return nc, nil
			},
		},
	}
	return d
}

// socket is the network connection under a WebSocket, kept so that it can be cut without waiting for anything.
type socket struct {
	mu  sync.Mutex
	nc  net.Conn
	cut bool
}

type socketKey struct{}

func (s *socket) set(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nc = nc
	if s.cut {
		_ = nc.Close()
	}
}

// close cuts the connection. Reads and writes on it end with an error.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	if s.nc != nil {
		_ = s.nc.Close()
	}
}

// readBy sets the deadline of reads.
func (s *socket) readBy(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nc != nil {
		_ = s.nc.SetReadDeadline(t)
	}
}

func (d *Dialer) buffer() *[]byte { return d.buffers.Get().(*[]byte) }

// release keeps buffers of ordinary size for the next one.
func (d *Dialer) release(b *[]byte) {
	if cap(*b) <= 128<<10 {
		*b = (*b)[:0]
		d.buffers.Put(b)
	}
}

// watch starts looking after c, unwatch ends it.
func (d *Dialer) watch(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[c] = struct{}{}
	if d.timer == nil {
		d.timer = time.AfterFunc(sweepEvery, d.sweep)
	}
}

func (d *Dialer) unwatch(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	if len(d.conns) == 0 && d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// sweep cuts connections that are dead.
func (d *Dialer) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for c := range d.conns {
		c.check(now)
	}
	if len(d.conns) > 0 {
		d.timer = time.AfterFunc(sweepEvery, d.sweep)
	}
}
