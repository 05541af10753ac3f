package syncapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

func TestEndedHistoryIs503(t *testing.T) {
	f := start(t, nil)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{chatPath, sessionPath, roomsPath, legacyPath} {
		resp, body := f.do("GET", path)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "the history is unavailable") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestSlowRequestIsEnded(t *testing.T) {
	f := start(t, func(c *Config) { c.RequestTimeout = time.Nanosecond })
	resp, body := f.do("GET", chatPath)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "took too long") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestCutAnswersAreSeen(t *testing.T) {
	f := start(t, nil)
	broken := httptest.NewServer(f.s.gzip(f.s.route("legacy", func(w http.ResponseWriter, _ *http.Request) error {
		out := newStream(w)
		for range 10 * streamBuffer {
			out.text("[]")
		}
		return errors.New("the server has died")
	})))
	defer broken.Close()
	for _, encoding := range []string{"identity", "gzip"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", broken.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := f.hc.Do(req)
		if err != nil { // so little when packed that nothing was sent before the end
			continue
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%s: %d bytes came without an error", encoding, len(body))
		}
		_ = resp.Body.Close()
	}
}

func TestRoleRunsAndStops(t *testing.T) {
	f := start(t, nil)
	ports, err := devstack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.s.cfg
	cfg.Kafka, cfg.ClickHouse = f.kafka, f.clickhouse
	cfg.BindAddress, cfg.MetricsAddress = fmt.Sprintf("127.0.0.1:%d", ports[0]), "off"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, testkit.Log(t)) }()
	eventually(t, func() string {
		resp, err := f.hc.Get("http://" + cfg.BindAddress + "/openapi.json")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("X-Request-Id") == "" {
			return fmt.Sprint(resp.StatusCode, resp.Header)
		}
		return ""
	})
	f.hc.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
