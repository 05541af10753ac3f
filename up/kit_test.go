package up

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	client "splitsync/client/go"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

const soon = 20 * time.Second

// text is a buffer that several goroutines write.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

// String is everything so far.
func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// running is one up in this process.
type running struct {
	t        *testing.T
	p        *process
	out, log text
	base     string // of the routes
	key      string
	stop     context.CancelFunc
	done     chan error
}

// environ are settings with free ports and a folder of the test's own.
func environ(t *testing.T, more ...string) []string {
	t.Helper()
	ports, err := devstack.FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"DATA_DIR=" + t.TempDir(), "BIND_ADDRESS=127.0.0.1:0", "METRICS_ADDRESS=127.0.0.1:0", "LOG_LEVEL=debug", "EMBEDDED_FSYNC=false",
		"USER_MESSAGE_RATE_PER_SECOND=0", // say tries again at once, which is abuse elsewhere
		fmt.Sprintf("EMBEDDED_KAFKA_PORT=%d", ports[0]), fmt.Sprintf("EMBEDDED_CLICKHOUSE_TCP_PORT=%d", ports[1]),
		fmt.Sprintf("EMBEDDED_CLICKHOUSE_HTTP_PORT=%d", ports[2]),
	}
	return append(env, more...)
}

// launch starts up and returns at once.
func launch(t *testing.T, env []string) *running {
	t.Helper()
	cfg, err := Load(env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, done: make(chan error, 1)}
	r.p = newProcess(cfg, &r.out, slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	go func() { r.done <- r.p.run(ctx) }()
	t.Cleanup(func() {
		r.end()
		http.DefaultClient.CloseIdleConnections()
		if t.Failed() {
			for line := range strings.Lines(r.log.String()) {
				if !strings.Contains(line, `"level":"DEBUG"`) {
					t.Log(line)
				}
			}
		}
	})
	return r
}

// start is launch, and waits until clients are served.
func start(t *testing.T, env []string) *running {
	t.Helper()
	r := launch(t, env)
	r.ready()
	return r
}

func (r *running) ready() {
	r.t.Helper()
	address := regexp.MustCompile(`chat page +(\S+)/\n`)
	testkit.Eventually(r.t, time.Minute, func() error {
		select {
		case err := <-r.done:
			r.done <- err
			r.t.Fatalf("up ended: %v", err)
		default:
		}
		found := address.FindStringSubmatch(r.out.String())
		if found == nil {
			return fmt.Errorf("no banner in %q", r.out.String())
		}
		r.base, r.key = found[1], r.p.cfg.Gateway.AdminAPIKeys[0]
		if code, body, _ := r.call("GET", "/management/rooms", ""); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// end stops it and waits; it may have ended.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	begin := time.Now()
	select {
	case err := <-r.done:
		r.done <- nil
		if err != nil {
			r.t.Errorf("up: %v", err)
		}
		if took := time.Since(begin); took > 15*time.Second {
			r.t.Errorf("up took %s to stop", took)
		}
	case <-time.After(40 * time.Second):
		r.t.Error("up does not stop")
	}
}

// call asks a route with the key; the code is 0 without an answer within some seconds.
func (r *running) call(method, path, body string) (int, string, http.Header) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", r.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer res.Body.Close()
	out, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(out), res.Header
}

func (r *running) room(id string) {
	r.t.Helper()
	if code, body, _ := r.call("POST", "/management/rooms", `{"room_id":"`+id+`","room_name":"Room"}`); code != 200 {
		r.t.Fatalf("create: %d %s", code, body)
	}
}

// join connects a client that reconnects by itself.
func (r *running) join(room, user, token string) *client.Conn {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{URL: r.base, Room: room, User: user, Token: token, Acks: true})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// say says content until it is durable: a log that has just come back may still be refused.
func (r *running) say(c *client.Conn, content string) {
	r.t.Helper()
	testkit.Eventually(r.t, soon, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		_, err := c.Send(ctx, content, client.WithClientMsgID(content))
		var refused *client.Error
		if err != nil && (!errors.As(err, &refused) || !refused.Retryable) {
			r.t.Fatalf("say %s: %v", content, err)
		}
		return err
	})
}

// history waits until the sync API has exactly these contents, newest first.
func (r *running) history(room string, want ...string) {
	r.t.Helper()
	testkit.Eventually(r.t, soon, func() error {
		code, body, _ := r.call("GET", "/management/sync/chat-history/"+room, "")
		var page struct {
			Records []struct {
				Content string `json:"content"`
			} `json:"records"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		var got []string
		for _, rec := range page.Records {
			got = append(got, rec.Content)
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			return fmt.Errorf("history has %q, want %q", got, want)
		}
		return nil
	})
}

// logged waits until the log has a line of at least level INFO with all of these.
func (r *running) logged(parts ...string) {
	r.t.Helper()
	testkit.Eventually(r.t, soon, func() error {
	lines:
		for line := range strings.Lines(r.log.String()) {
			for _, part := range append(parts, `"level":"`) {
				if !strings.Contains(line, part) || strings.Contains(line, `"level":"DEBUG"`) {
					continue lines
				}
			}
			return nil
		}
		return fmt.Errorf("no line with %q", parts)
	})
}
