package metrics

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

type kafka struct {
	Retries prometheus.Counter `metric:"t_retries_total" help:"repeated requests"`
}

type sample struct {
	Kafka   kafka
	Acks    prometheus.Counter       `metric:"t_acks_total" help:"acks | replies"`
	Errors  *prometheus.CounterVec   `metric:"t_errors_total" help:"errors" labels:"code,stream" values:"code=100|101;stream=chat|sessions"`
	Open    prometheus.Gauge         `metric:"t_open" help:"open"`
	Depth   *prometheus.GaugeVec     `metric:"t_depth" help:"depth" labels:"partition"`
	Latency prometheus.Histogram     `metric:"t_latency_seconds" help:"latency" buckets:"0.001,0.01"`
	Size    *prometheus.HistogramVec `metric:"t_size_bytes" help:"size" labels:"kind" values:"kind=a"`
}

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("got %d", w.Code)
	}
	return w.Body.String()
}

func TestSeriesExistAtZero(t *testing.T) {
	reg := NewRegistry("v1")
	var m sample
	if err := New(reg, &m); err != nil {
		t.Fatal(err)
	}
	m.Depth.WithLabelValues("3").Set(7)
	text := scrape(t, Handler(reg, NewHealth()))
	for _, line := range []string{
		"t_retries_total 0", "t_acks_total 0", "t_open 0", `t_latency_seconds_bucket{le="0.01"} 0`, `t_size_bytes_count{kind="a"} 0`, `t_depth{partition="3"} 7`,
		`t_errors_total{code="100",stream="chat"} 0`, `t_errors_total{code="101",stream="sessions"} 0`, `splitsync_build_info{version="v1"} 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("missing %s", line)
		}
	}
	if n := strings.Count(text, "\nt_errors_total{"); n != 4 {
		t.Errorf("%d series of t_errors_total, want 4", n)
	}
}

func TestRolesShareAMetric(t *testing.T) {
	reg := NewRegistry("v1")
	var a, b struct{ Kafka kafka }
	if err := New(reg, &a); err != nil {
		t.Fatal(err)
	}
	if err := New(reg, &b); err != nil {
		t.Fatal(err)
	}
	a.Kafka.Retries.Inc()
	b.Kafka.Retries.Inc()
	if !strings.Contains(scrape(t, Handler(reg, NewHealth())), "\nt_retries_total 2\n") {
		t.Error("not shared")
	}
}

func TestNewRefusesFaultyStructs(t *testing.T) {
	for name, m := range map[string]any{
		"by value": kafka{},
		"no help": &struct {
			X prometheus.Counter `metric:"x_total"`
		}{},
		"unknown type": &struct {
			X int `metric:"x_total" help:"x"`
		}{},
		"vec, no labels": &struct {
			X *prometheus.CounterVec `metric:"x_total" help:"x"`
		}{},
		"labels, no vec": &struct {
			X prometheus.Counter `metric:"x_total" help:"x" labels:"a"`
		}{},
		"other label": &struct {
			X *prometheus.CounterVec `metric:"x_total" help:"x" labels:"a" values:"b=c"`
		}{},
		"bucket": &struct {
			X prometheus.Histogram `metric:"x" help:"x" buckets:"1,two"`
		}{},
	} {
		if err := New(NewRegistry("v1"), m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	reg := NewRegistry("v1")
	var a struct {
		X prometheus.Counter `metric:"x" help:"x"`
	}
	var b struct {
		X prometheus.Gauge `metric:"x" help:"x"`
	}
	if err := New(reg, &a); err != nil {
		t.Fatal(err)
	}
	if err := New(reg, &b); err == nil {
		t.Error("one name as two types: accepted")
	}
}

func TestDocs(t *testing.T) {
	got, err := Docs(Section{"gateway", sample{}}, Section{"ingest", &struct{ Kafka kafka }{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| `t_acks_total` | counter |  | acks \\| replies |",
		"| `t_errors_total` | counter | `code` (100, 101), `stream` (chat, sessions) | errors |",
		"| `t_depth` | gauge | `partition` | depth |",
		"| `t_latency_seconds` | histogram |  | latency |",
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing %s in\n%s", line, got)
		}
	}
	if strings.Count(got, "t_retries_total") != 1 || strings.Contains(got, "## ingest") {
		t.Errorf("a shared metric is repeated:\n%s", got)
	}
}

func TestHealth(t *testing.T) {
	h := NewHealth()
	handler := Handler(NewRegistry("v1"), h)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	h.NotReady("rooms", "reading")
	h.NotReady("kafka", "no broker")
	if code, body := get("/readyz"); code != 503 || body != "not ready: kafka: no broker; rooms: reading" {
		t.Errorf("got %d %s", code, body)
	}
	if code, _ := get("/livez"); code != 200 {
		t.Errorf("livez %d", code)
	}
	h.Ready("rooms")
	h.Ready("kafka")
	if code, body := get("/readyz"); code != 200 || body != "ready" {
		t.Errorf("got %d %s", code, body)
	}
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log := slog.New(slog.DiscardHandler)
	if err := Serve(ctx, taken.Addr().String(), NewRegistry("v1"), NewHealth(), log); err == nil || !strings.Contains(err.Error(), "METRICS_ADDRESS") {
		t.Errorf("taken: %v", err)
	}
	cancel()
	for _, addr := range []string{"off", "127.0.0.1:0"} {
		if err := Serve(ctx, addr, NewRegistry("v1"), NewHealth(), log); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
