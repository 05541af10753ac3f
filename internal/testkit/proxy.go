package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// stallToxic is the name of the toxic that stops a stream and loses nothing; toxiproxy has none of this sort.
const stallToxic = "stall"

// Proxy stands between a client and a server (Kafka, ClickHouse, a receiver) and makes the faults of a network. One fault
// of a kind may be on at a time; Heal ends them all. A Kafka client follows the addresses that the broker advertises: give
// the broker the proxy's with Broker.Advertise, or it walks around the proxy.
type Proxy struct {
	tb    testing.TB
	mu    sync.Mutex
	proxy *toxiproxy.Proxy
}

// NewProxy starts a proxy on a free port of 127.0.0.1 in front of upstream (host:port); it ends with the test.
func NewProxy(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	toxics.Register(stallToxic, &stall{})
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{tb: tb, proxy: toxiproxy.NewProxy(server, tb.Name(), "127.0.0.1:0", upstream)}
	if err := p.proxy.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.proxy.Toxics.ResetToxics(context.Background()) // else a stalled stream would never end
		p.proxy.Stop()
	})
	return p
}

// Addr is the proxy's host and port, the same all its life.
func (p *Proxy) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proxy.Listen
}

// Cut closes every connection and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy.Stop()
}

// Reset closes every connection; new ones go through at once.
func (p *Proxy) Reset() {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy.Stop()
	p.start()
}

// Stall holds back everything in both directions until Heal, which lets it go on; nothing is lost and no connection closes.
func (p *Proxy) Stall() {
	p.tb.Helper()
	p.add(stallToxic, "upstream", nil)
	p.add(stallToxic, "downstream", nil)
}

// LoseAnswers lets requests through and throws the answers away. A connection whose answer was lost closes closeAfter
// later, or at Heal when that is 0. The server has done what it was asked; the client cannot know.
func (p *Proxy) LoseAnswers(closeAfter time.Duration) {
	p.tb.Helper()
	p.add("timeout", "downstream", map[string]any{"timeout": closeAfter.Milliseconds()})
}

// Delay makes every answer later by d.
func (p *Proxy) Delay(d time.Duration) {
	p.tb.Helper()
	p.add("latency", "downstream", map[string]any{"latency": d.Milliseconds()})
}

// Heal ends every fault. Connections that lost an answer close.
func (p *Proxy) Heal() {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy.Toxics.ResetToxics(context.Background())
	p.start()
}

// start starts the proxy if it is stopped. The caller holds the lock.
func (p *Proxy) start() {
	p.tb.Helper()
	if p.proxy.Enabled {
		return
	}
	if err := p.proxy.Start(); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *Proxy) add(kind, direction string, attributes map[string]any) {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := json.Marshal(map[string]any{"type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		p.tb.Fatal(err)
	}
	if _, err := p.proxy.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
		p.tb.Fatalf("%s on %s: %v", kind, direction, err)
	}
}

// stall is a toxic that takes nothing in until it is removed.
type stall struct{}

// Pipe implements toxics.Toxic.
func (*stall) Pipe(stub *toxics.ToxicStub) { <-stub.Interrupt }
