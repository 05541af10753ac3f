package devstack_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// The test binary plays three more parts: a parent that gets killed, a clickhouse binary, and a broker that gets killed.
const (
	parentRole = "__test-parent"
	serverRole = "__test-clickhouse"
	brokerRole = "__test-broker"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case parentRole:
			exit(playParent(os.Args[2], os.Args[3]))
		case serverRole:
			exit(playServer(os.Args[2:]))
		case brokerRole:
			exit(playBroker(os.Args[2]))
		}
	}
	testkit.Main(m)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// playParent starts a ClickHouse, prints its pid and waits to be killed.
func playParent(dir, binary string) error {
	cfg := devstack.ClickHouseConfig{DataDir: dir, Binary: binary}
	server, err := devstack.StartClickHouse(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	fmt.Println(server.PID(), server.HTTPAddr())
	<-server.Done()
	return server.Err()
}

// playBroker runs a broker that fsyncs, prints its address and waits to be killed.
func playBroker(dir string) error {
	broker, err := devstack.StartBroker(devstack.BrokerConfig{DataDir: dir, Fsync: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	fmt.Println(broker.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// playServer is a clickhouse binary as far as starting and stopping go: it reads the config file, answers over HTTP, and
// ends on SIGTERM, when it leaves the file "stopped" in its data path.
func playServer(args []string) error {
	if len(args) != 2 || args[0] != "server" {
		return fmt.Errorf("arguments %q", args)
	}
	body, err := os.ReadFile(strings.TrimPrefix(args[1], "--config-file="))
	if err != nil {
		return err
	}
	var config struct {
		Path string `xml:"path"`
		Port int    `xml:"http_port"`
	}
	if err := xml.Unmarshal(body, &config); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fault := make(chan error, 1)
	go func() {
		fault <- http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", config.Port), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "1")
		}))
	}()
	select {
	case err := <-fault:
		return err
	case <-signals:
		return os.WriteFile(filepath.Join(config.Path, "stopped"), nil, 0o600)
	}
}
