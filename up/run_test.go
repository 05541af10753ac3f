package up

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

func TestAKilledClickHouseIsStartedAgain(t *testing.T) {
	env := environ(t)
	r := start(t, env)
	r.room("lobby")
	ann := r.join("lobby", "ann", "")
	r.say(ann, "one")
	r.history("lobby", "one")
	checkHealth(t, r)

	child := r.p.servers.child()
	if err := syscall.Kill(-child.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-child.Done()
	r.say(ann, "two") // the log takes it meanwhile
	r.history("lobby", "two", "one")
	r.logged("embedded clickhouse has ended, starting it again")
	if now := r.p.servers.child(); now == child {
		t.Error("no other child")
	}

	// A second one on the same folder refuses, and harms nothing.
	cfg, err := Load(env)
	if err != nil {
		t.Fatal(err)
	}
	err = Run(context.Background(), cfg, &text{}, testkit.Log(t))
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), cfg.Gateway.DataDir) {
		t.Errorf("second up: %v", err)
	}
	r.say(ann, "three")
	r.history("lobby", "three", "two", "one")
	key := r.key
	r.end()

	again := start(t, env)
	if again.key != key {
		t.Error("another API key after a restart")
	}
	again.history("lobby", "three", "two", "one")
}

// checkHealth looks at the verbose health of a process in which all is well.
func checkHealth(t *testing.T, r *running) {
	t.Helper()
	_, body, _ := r.call("GET", "/management/health?verbose=1", "")
	var h struct {
		Status, Kafka, ClickHouse string
		DiskFree                  int64 `json:"disk_free"`
		Callbacks                 map[string]struct {
			State     *string          `json:"state"`
			LastError *string          `json:"last_error"`
			Lag       *json.RawMessage `json:"lag"`
		}
	}
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if h.Status != "ok" || h.Kafka != "ok" || h.ClickHouse != "ok" || h.DiskFree <= 0 || h.Callbacks == nil {
		t.Errorf("health %s", body)
	}
	for stream, st := range h.Callbacks {
		if st.State == nil || st.LastError == nil || st.Lag == nil {
			t.Errorf("stream %s: %s", stream, body)
		}
	}
	for _, path := range []string{"/readyz", "/livez", "/metrics"} {
		res, err := http.Get("http://" + r.p.metrics.Addr().String() + path)
		if err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v %v", path, res, err)
			continue
		}
		_ = res.Body.Close()
	}
}

func TestServersMayComeLaterAndGoAway(t *testing.T) {
	broker, house := testkit.FreshBroker(t, devstack.BrokerConfig{}), testkit.FreshClickHouse(t)
	kafka, clickhouse := broker.Addr(), house.Addr()
	broker.Stop()
	house.Stop()
	r := launch(t, environ(t, "KAFKA_BROKERS="+kafka, "CLICKHOUSE_ADDR="+clickhouse))
	r.logged(kafka)
	broker.Start()
	r.logged(clickhouse)
	if out := r.out.String(); out != "" {
		t.Errorf("said before anything works: %q", out)
	}
	house.Start()
	r.ready()
	r.room("lobby")
	ann := r.join("lobby", "ann", "")
	r.say(ann, "one")
	r.history("lobby", "one")

	house.Stop()
	r.say(ann, "two")
	testkit.Eventually(t, soon, func() error {
		code, body, header := r.call("GET", "/management/sync/chat-history/lobby", "")
		if code != 503 || header.Get("Retry-After") == "" || header.Get("Content-Type") != "application/problem+json" {
			return fmt.Errorf("sync API without ClickHouse: %d %v %s", code, header, body)
		}
		return nil
	})
	if _, body, _ := r.call("GET", "/management/health?verbose=1", ""); !strings.Contains(body, `"clickhouse":"unreachable"`) || !strings.Contains(body, `"status":"degraded"`) {
		t.Errorf("health without ClickHouse: %s", body)
	}
	house.Start()
	r.history("lobby", "two", "one")

	kafkaGoesAway(t, r, broker)
	r.say(ann, "three")
	testkit.Eventually(t, soon, func() error {
		_, body, _ := r.call("GET", "/management/sync/chat-history/lobby", "")
		for _, want := range []string{`"content":"one"`, `"content":"two"`, `"content":"three"`} {
			if strings.Count(body, want) != 1 {
				return fmt.Errorf("%s is there %d times: %s", want, strings.Count(body, want), body)
			}
		}
		return nil
	})
}

// kafkaGoesAway stops the broker until changes are refused, and starts it again.
func kafkaGoesAway(t *testing.T, r *running, broker *testkit.Broker) {
	t.Helper()
	broker.Stop()
	testkit.Eventually(t, soon, func() error {
		if code, body, header := r.call("POST", "/management/rooms/lobby/system-message", `{"content":"x"}`); code != 503 || header.Get("Retry-After") == "" {
			return fmt.Errorf("without Kafka: %d %v %s", code, header, body)
		}
		return nil
	})
	broker.Start()
}
