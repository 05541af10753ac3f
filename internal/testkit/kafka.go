package testkit

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"splitsync/internal/devstack"
)

// kafkaVariable names the brokers (host:port, comma-separated) on which the tests run instead of the embedded one.
const kafkaVariable = "TEST_KAFKA_BROKERS"

// Kafka returns a broker's host and port: the embedded broker of this test binary (in memory, shared by its tests), or the
// first of TEST_KAFKA_BROKERS. Use it with Prefix.
func Kafka(tb testing.TB) string {
	tb.Helper()
	if brokers := os.Getenv(kafkaVariable); brokers != "" {
		first, _, _ := strings.Cut(brokers, ",")
		return first
	}
	broker, err := shared.kafka()
	if err != nil {
		tb.Fatal(err)
	}
	return broker.Addr()
}

// KafkaIsApache says whether the tests run on Apache Kafka (TEST_KAFKA_BROKERS is set).
func KafkaIsApache() bool { return os.Getenv(kafkaVariable) != "" }

// Prefix returns a topic prefix that no other test has, with a dot at its end. It serves for groups too.
func Prefix(tb testing.TB) string {
	tb.Helper()
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, tb.Name())
	return fmt.Sprintf("%.60s-%.8s.", name, uuid.NewString())
}

// Broker is a private embedded broker with its data on disk, for tests that stop it, restart it or stand a proxy before it.
type Broker struct {
	tb  testing.TB
	cfg devstack.BrokerConfig

	mu         sync.Mutex
	broker     *devstack.Broker // nil while stopped
	addr       string
	advertised string
}

// FreshBroker starts a private broker with its data in a temporary folder; it ends with the test. A cfg may set Fsync,
// Configs, or a DataDir and Port of the caller's.
func FreshBroker(tb testing.TB, cfg devstack.BrokerConfig) *Broker {
	tb.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = tb.TempDir()
	}
	if cfg.Port == 0 {
		ports, err := devstack.FreePorts(1)
		if err != nil {
			tb.Fatal(err)
		}
		cfg.Port = ports[0]
	}
	b := &Broker{tb: tb, cfg: cfg}
	b.Start()
	tb.Cleanup(b.Stop)
	return b
}

// Addr is the broker's own host and port; the same after a restart.
func (b *Broker) Addr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addr
}

// Advertise makes the broker send clients to addr (a proxy's) from now on, also after restarts. Empty = to itself.
func (b *Broker) Advertise(addr string) {
	b.tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advertised = addr
	if b.broker == nil {
		return
	}
	if err := b.broker.Advertise(addr); err != nil {
		b.tb.Fatal(err)
	}
}

// Stop ends the broker and cuts its clients. It may be stopped already.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broker != nil {
		b.broker.Close()
		b.broker = nil
	}
}

// Start starts the stopped broker again, on the same port and data.
func (b *Broker) Start() {
	b.tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broker != nil {
		b.tb.Fatal("the broker runs already")
	}
	broker, err := devstack.StartBroker(b.cfg, Log(b.tb))
	if err != nil {
		b.tb.Fatal(err)
	}
	if err := broker.Advertise(b.advertised); err != nil {
		b.tb.Fatal(err)
	}
	b.broker, b.addr = broker, broker.Addr()
}

// Restart is Stop and Start.
func (b *Broker) Restart() {
	b.tb.Helper()
	b.Stop()
	b.Start()
}
