package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"splitsync/gateway"
	"splitsync/internal/config"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	apiKey = "test-key"
	soon   = 10 * time.Second
)

// openLog returns a migrated log of its own.
func openLog(t testing.TB, addr string) kafkalog.Config {
	t.Helper()
	cfg := kafkalog.Config{Brokers: []string{addr}, TopicPrefix: testkit.Prefix(t), Partitions: 2, ReplicationFactor: 1, RetentionHours: 168}
	l := dialLog(t, cfg)
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func dialLog(t testing.TB, cfg kafkalog.Config) *kafkalog.Log {
	t.Helper()
	l, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// node is one running gateway.
type node struct {
	t    testing.TB
	http *httptest.Server
	stop context.CancelFunc
	done chan error
	s    *gateway.Server
}

// start runs a gateway on the log until the test ends; change may alter its settings.
func start(t testing.TB, kafka kafkalog.Config, change func(*gateway.Config, *gateway.Deps)) *node {
	t.Helper()
	l := dialLog(t, kafka)
	if _, err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := gateway.Config{
		Web: config.Web{AdminAPIKeys: []string{apiKey}}, Auth: "none", MessageRate: 0, DrainTimeout: 5 * time.Second,
	}
	deps := gateway.Deps{Log: l}
	if change != nil {
		change(&cfg, &deps)
	}
	s, err := gateway.New(t.Context(), cfg, deps, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	r := chi.NewRouter()
	s.Routes(r)
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{t: t, http: httptest.NewServer(r), stop: cancel, done: make(chan error, 1), s: s}
	go func() { n.done <- s.Run(ctx) }()
	t.Cleanup(n.end)
	testkit.Eventually(t, soon, func() error {
		if code, body := n.call("GET", "/management/rooms", nil); code != 200 {
			return fmt.Errorf("not ready: %d %s", code, body)
		}
		return nil
	})
	return n
}

// end stops the gateway and waits until nothing of it runs.
func (n *node) end() {
	n.stop()
	select {
	case err := <-n.done:
		if err != nil {
			n.t.Errorf("gateway: %v", err)
		}
		n.done <- nil
	case <-time.After(40 * time.Second):
		n.t.Error("gateway did not stop")
	}
	n.http.Close()
}

func (n *node) call(method, path string, body any) (int, string) {
	n.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			n.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, n.http.URL+path, &b)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	res, err := n.http.Client().Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(res.Body)
	return res.StatusCode, out.String()
}

// room creates a room with admins.
func (n *node) room(admins ...string) string {
	n.t.Helper()
	id := "r-" + uuid.NewString()[:8]
	code, body := n.call("POST", "/management/rooms", map[string]any{"room_id": id, "room_name": "Room", "admin_user_ids": admins})
	if code != 200 {
		n.t.Fatalf("create room: %d %s", code, body)
	}
	return id
}
