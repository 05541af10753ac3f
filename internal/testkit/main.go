// Package testkit gives tests real servers: an embedded Kafka-protocol broker or Apache Kafka, a real ClickHouse, a fault
// proxy between, and a scripted receiver of callbacks. Every test gets its own topic prefix and its own database, so tests
// share servers and no state. A server that does not start fails the test; nothing is ever skipped.
//
// A package whose tests use it has
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
package testkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"splitsync/internal/devstack"
)

// shared are the servers of this test binary, started by the first test that asks. They outlive the tests, and TestMain is
// the only other place that does, so they are the one mutable package variable of this module.
var shared servers

type servers struct {
	mu         sync.Mutex
	broker     *devstack.Broker
	clickhouse *devstack.ClickHouse
	dir        string // the ClickHouse's data
}

// Main runs the tests of a package, stops the servers that they shared, and exits. Goroutines that are left then fail the
// package (goleak). It has to be all that TestMain does: the ClickHouse child is this test binary, run once more.
func Main(m *testing.M) {
	devstack.RunChildIfAsked()
	code := m.Run()
	err := shared.stop()
	if code == 0 {
		http.DefaultClient.CloseIdleConnections()
		err = errors.Join(err, leaks())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// leaks returns the goroutines that are left. A connection whose long poll was given up ends with the broker's answer, up to half a second
// later, or at the client's own time-out of some seconds when the broker is busy. A stream of the fault proxy that was cut while it passed
// bytes on is left by toxiproxy 2.5.0 for ever, in a send that nobody takes: it is not ours, and no product code can bring it about.
func leaks() error {
	proxyStream := goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run")
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := goleak.Find(proxyStream)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// kafka returns the shared broker, started if need be.
func (s *servers) kafka() (*devstack.Broker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil {
		return s.broker, nil
	}
	broker, err := devstack.StartBroker(devstack.BrokerConfig{}, quietLog())
	s.broker = broker
	return broker, err
}

// database returns the shared ClickHouse, started if need be.
func (s *servers) database(ctx context.Context) (*devstack.ClickHouse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clickhouse != nil {
		return s.clickhouse, s.clickhouse.Err()
	}
	if err := fetchClickHouse(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "splitsync-clickhouse-")
	if err != nil {
		return nil, err
	}
	server, err := devstack.StartClickHouse(ctx, clickHouseConfig(dir), quietLog())
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.clickhouse, s.dir = server, dir
	return server, nil
}

// stop ends the servers. A ClickHouse that died during the tests is an error.
func (s *servers) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil {
		s.broker.Close()
	}
	if s.clickhouse == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return errors.Join(s.clickhouse.Err(), s.clickhouse.Stop(ctx), os.RemoveAll(s.dir))
}

// quietLog passes what is wrong with a shared server to the test's standard error.
func quietLog() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
