// Package devstack provides what `splitsync up` embeds: a Kafka-protocol broker inside the process (kfake), a real ClickHouse
// in a child process, the data directory that both live in, and the fetching of the ClickHouse library. It is the only owner
// of kfake and of purego, and it is never linked into the paths of the stand-alone roles beyond the hidden child mode.
package devstack

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BrokerConfig says where and how an embedded broker runs.
type BrokerConfig struct {
	DataDir string            // the log's folder, made if absent (0700); empty = in memory only, gone at Close
	Port    int               // on 127.0.0.1; 0 = a free one below 32768
	Fsync   bool              // fsync every batch before it is acknowledged
	Configs map[string]string // broker settings beside the defaults (Kafka names; kfake knows about 35 of them)

	refuseFor time.Duration // for tests; 0 = the constant
}

// Broker is a running embedded broker of one node. It serves Kafka clients on loopback, without authentication.
// It reads its whole log when it starts: bound the topics (retention.bytes).
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	front   *frontListener
	close   sync.Once
}

// StartBroker starts the broker and returns when it listens. With a DataDir it continues from what is there.
// It makes no topics (kafkalog.Migrate does) and never creates one by itself. A port that is taken is an error naming it.
func StartBroker(cfg BrokerConfig, log *slog.Logger) (*Broker, error) {
	port := cfg.Port
	if port == 0 {
		free, err := FreePorts(1)
		if err != nil {
			return nil, err
		}
		port = free[0]
	}
	b := &Broker{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), front: &frontListener{}}
	guard := newGuard(log, cfg.refuseFor)
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ListenFn(b.front.listen),
		kfake.WithLogger(guard),
		kfake.ClusterID("splitsync-embedded"),
		kfake.BrokerConfigs(brokerConfigs(cfg.Configs)),
	}
	if cfg.DataDir != "" {
		if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
		opts = append(opts, kfake.DataDir(cfg.DataDir))
	}
	if cfg.Fsync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if b.front.Listener == nil && err != nil {
		return nil, fmt.Errorf("embedded broker: port %d is taken, set EMBEDDED_KAFKA_PORT to another: %w", port, err)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded broker on %s: %w", b.addr, err)
	}
	b.cluster = cluster
	guard.cluster.Store(cluster)
	return b, nil
}

// brokerConfigs are the defaults under those of the caller. Retention and compaction run once a minute instead of once an
// hour, because the start reads what they leave; groups may have short sessions; offsets outlive any stop of this machine.
func brokerConfigs(over map[string]string) map[string]string {
	configs := map[string]string{
		"log.cleaner.backoff.ms":       "60000",
		"offsets.retention.minutes":    "525600",
		"message.max.bytes":            "1048588",
		"log.segment.bytes":            "16777216",
		"group.min.session.timeout.ms": "1000",
	}
	maps.Copy(configs, over)
	return configs
}

// Addr is the host and port on which the broker listens.
func (b *Broker) Addr() string { return b.addr }

// Advertise makes the broker tell clients another address than its own from now on, as a proxy in front of it needs:
// Kafka clients go where the broker's metadata sends them. Empty = its own address again.
func (b *Broker) Advertise(addr string) error {
	if addr == "" {
		addr = b.addr
	}
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return fmt.Errorf("advertise %q: %w", addr, err)
	}
	b.front.advertised.Store(tcp)
	return nil
}

// Close stops listening, writes the state that is not on disk yet, and ends the broker. It may be called again.
func (b *Broker) Close() {
	b.close.Do(func() {
		b.cluster.Close()
		b.front.closeConns()
	})
}

// frontListener is the broker's listener. kfake advertises its listener's Addr, so this is where another one is given.
// It keeps the open connections, because kfake leaves them open when it closes.
type frontListener struct {
	net.Listener
	advertised atomic.Pointer[net.TCPAddr]

	mu     sync.Mutex
	conns  map[*frontConn]struct{}
	closed bool
}

func (l *frontListener) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	l.Listener = inner
	l.conns = map[*frontConn]struct{}{}
	return l, nil
}

// Addr is the advertised address.
func (l *frontListener) Addr() net.Addr {
	if addr := l.advertised.Load(); addr != nil {
		return addr
	}
	return l.Listener.Addr()
}

// Accept waits for the next client.
func (l *frontListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &frontConn{Conn: conn, front: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	return c, nil
}

func (l *frontListener) closeConns() {
	l.mu.Lock()
	l.closed = true
	open := l.conns
	l.conns = map[*frontConn]struct{}{}
	l.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

type frontConn struct {
	net.Conn
	front *frontListener
}

// Close closes the connection and forgets it.
func (c *frontConn) Close() error {
	c.front.mu.Lock()
	delete(c.front.conns, c)
	c.front.mu.Unlock()
	return c.Conn.Close()
}
