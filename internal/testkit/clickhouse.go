package testkit

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"splitsync/internal/devstack"
)

// queryTime bounds the statements of the test kit itself.
const queryTime = 30 * time.Second

// ClickHouse returns the native address (host:port) of the ClickHouse of this test binary and the name of an empty
// database that only this test has; it is dropped when the test ends. User "default", no password.
// The first use fetches ClickHouse if this machine has none.
func ClickHouse(tb testing.TB) (addr, database string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	server, err := shared.database(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return server.Addr(), newDatabase(tb, server)
}

// newDatabase makes a database for a test.
func newDatabase(tb testing.TB, server *devstack.ClickHouse) string {
	tb.Helper()
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	if _, err := devstack.Query(ctx, server.HTTPAddr(), "CREATE DATABASE "+name+" ENGINE = Atomic"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), queryTime)
		defer cancel()
		if _, err := devstack.Query(ctx, server.HTTPAddr(), "DROP DATABASE IF EXISTS "+name); err != nil {
			tb.Errorf("drop database: %v", err)
		}
	})
	return name
}

// Server is a private ClickHouse for tests that kill and restart it.
type Server struct {
	tb  testing.TB
	cfg devstack.ClickHouseConfig

	mu     sync.Mutex
	server *devstack.ClickHouse
	addr   string
	http   string
}

// FreshClickHouse starts a private ClickHouse with its data in a temporary folder; it ends with the test.
func FreshClickHouse(tb testing.TB) *Server {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := fetchClickHouse(ctx); err != nil {
		tb.Fatal(err)
	}
	ports, err := devstack.FreePorts(2)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, cfg: clickHouseConfig(tb.TempDir())}
	s.cfg.TCPPort, s.cfg.HTTPPort = ports[0], ports[1]
	s.Start()
	tb.Cleanup(s.Stop)
	return s
}

// Addr is the native address; the same after a restart.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// HTTPAddr is the address of the HTTP interface; the same after a restart.
func (s *Server) HTTPAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.http
}

// Start starts the stopped server on the same ports and data and returns when it answers.
func (s *Server) Start() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err := devstack.StartClickHouse(ctx, s.cfg, Log(s.tb))
	if err != nil {
		s.tb.Fatal(err)
	}
	s.server, s.addr, s.http = server, server.Addr(), server.HTTPAddr()
}

// Stop ends the server in good order. It may be stopped already.
func (s *Server) Stop() {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	if err := s.server.Stop(ctx); err != nil {
		s.tb.Error(err)
	}
	s.server = nil
}

// Kill9 kills the server with SIGKILL; it stays down until Start.
func (s *Server) Kill9() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Kill()
		s.server = nil
	}
}

// Restart is Kill9 and Start.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill9()
	s.Start()
}

// Query runs one statement over HTTP and returns its answer; an error fails the test.
func (s *Server) Query(sql string) string {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), queryTime)
	defer cancel()
	text, err := devstack.Query(ctx, s.HTTPAddr(), sql)
	if err != nil {
		s.tb.Fatal(err)
	}
	return text
}

// clickHouseConfig is the config of a test server: capped at 2 GiB, and found by the variables that `up` has too.
func clickHouseConfig(dir string) devstack.ClickHouseConfig {
	return devstack.ClickHouseConfig{
		DataDir: dir, Binary: os.Getenv("CLICKHOUSE_BIN"), CacheDir: os.Getenv("EMBEDDED_CACHE_DIR"), MemoryBytes: 2 << 30,
	}
}

// fetchClickHouse makes sure that there is a ClickHouse to start.
func fetchClickHouse(ctx context.Context) error {
	cfg := clickHouseConfig("")
	return devstack.Prepare(ctx, cfg, func(line string) { os.Stderr.WriteString(line + "\n") })
}
