// Package history is what ClickHouse holds of the log: the only owner of its client. It promises that a row that is inserted again changes
// nothing that anybody reads, that counts are exact, and that a page costs the same at any depth: it reads the sets of the hours and then
// only the hours that the page lies in.
package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// queryTime bounds one query in the server; a context that ends earlier cancels it.
const queryTime = 60 * time.Second

// queryMemory bounds the memory of one query in the server, in bytes; beyond it the query fails with MEMORY_LIMIT_EXCEEDED.
const queryMemory = 2 << 30

// Store is a connection to the history. It is safe for concurrent use.
type Store struct {
	cfg  Config
	log  *slog.Logger
	conn driver.Conn

	buffers  sync.Pool // of *columns
	readable int64     // see there; tests make it small
	chunk    int64     // likewise
}

// Open connects and waits until the server answers; it logs once in ten seconds while it does not. It fails when ctx ends, and at once for
// settings that cannot work. The database need not exist yet.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	conn, err := cfg.connect("")
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, log: log, conn: conn, buffers: sync.Pool{New: func() any { return new(columns) }},
		readable: readable, chunk: chunk,
	}
	if err := s.waitReachable(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

// connect returns a pool of connections; database may be empty, since statements name theirs.
func (c Config) connect(database string) (driver.Conn, error) {
	tlsConfig, err := c.tls()
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:         c.Addr,
		Auth:         clickhouse.Auth{Username: c.Username, Password: c.Password, Database: database},
		TLS:          tlsConfig,
		DialTimeout:  5 * time.Second,
		ReadTimeout:  5 * time.Minute,
		Compression:  &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		MaxOpenConns: 16, MaxIdleConns: 8, ConnMaxLifetime: time.Hour,
		BlockBufferSize: 4,
		Settings:        clickhouse.Settings{"max_execution_time": int(queryTime.Seconds()), "max_memory_usage": queryMemory},
	})
	if err != nil {
		return nil, fmt.Errorf("connect to clickhouse: %w", err)
	}
	return conn, nil
}

func (s *Store) waitReachable(ctx context.Context) error {
	var logged time.Time
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.conn.Ping(try)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("connect to clickhouse at %v: %w", s.cfg.Addr, errors.Join(ctx.Err(), err))
		}
		if time.Since(logged) >= 10*time.Second {
			logged = time.Now()
			s.log.Warn("clickhouse is not reachable, trying on", "addr", s.cfg.Addr, "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// Ping tells whether the server answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.conn.Ping(ctx); err != nil {
		return fmt.Errorf("ping clickhouse: %w", err)
	}
	return nil
}

// Close gives back the connections.
func (s *Store) Close() error { return s.conn.Close() }

// table returns the full name of a table of this history.
func (s *Store) table(name string) string { return "`" + s.cfg.Database + "`." + name }
