package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"splitsync/internal/devstack"
)

const (
	demoStart = 90 * time.Second
	demoStop  = 30 * time.Second
	demoProbe = 50 * time.Millisecond
)

// demoUp is the up of a demo: a child of this process.
type demoUp struct {
	url, key string
	cmd      *exec.Cmd
	output   string // file
	exited   chan struct{}
	err      error // valid after exited
}

// startDemoUp returns when up is healthy.
func (a *app) startDemoUp(ctx context.Context, o *demoOptions, home, secret, receiver string) (*demoUp, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	ports, err := devstack.FreePorts(5)
	if err != nil {
		return nil, err
	}
	u := &demoUp{url: "http://127.0.0.1:" + strconv.Itoa(ports[0]), key: hex.EncodeToString(random(16)), exited: make(chan struct{})}
	u.output = filepath.Join(home, "up.log")
	out, err := os.OpenFile(u.output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("output of up: %w", err)
	}
	defer out.Close()
	u.cmd = exec.Command(self, "up") // not bound to ctx: it has to drain
	u.cmd.Dir = home                 // no .env of the working directory
	u.cmd.Env = slices.Concat(a.environ, o.environ(ports, home, u.key, secret, "http://"+receiver))
	u.cmd.Stdout, u.cmd.Stderr = out, out
	if o.verbose {
		u.cmd.Stdout, u.cmd.Stderr = a.stderr, a.stderr
	}
	if err := u.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start up: %w", err)
	}
	go func() {
		u.err = u.cmd.Wait()
		close(u.exited)
	}()
	if err := u.healthy(ctx); err != nil {
		return nil, errors.Join(err, u.stop())
	}
	return u, nil
}

// environ are the settings of the demo's up: everything at once, nothing limited.
func (o *demoOptions) environ(ports []int, home, key, secret, receiver string) []string {
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	level := "warn"
	if o.verbose {
		level = "info"
	}
	prefix := "splitsync."
	if o.kafka != "" {
		prefix = o.play.RoomPrefix[:len(o.play.RoomPrefix)-1] + "."
	}
	return []string{
		"DATA_DIR=" + filepath.Join(home, "data"), "ADMIN_API_KEY=" + key, "LOG_LEVEL=" + level, "GATEWAY_AUTH=none",
		"BIND_ADDRESS=" + at(0), "METRICS_ADDRESS=" + at(1), "EMBEDDED_KAFKA_PORT=" + strconv.Itoa(ports[2]),
		"EMBEDDED_CLICKHOUSE_TCP_PORT=" + strconv.Itoa(ports[3]), "EMBEDDED_CLICKHOUSE_HTTP_PORT=" + strconv.Itoa(ports[4]),
		"KAFKA_BROKERS=" + o.kafka, "KAFKA_TOPIC_PREFIX=" + prefix, "CLICKHOUSE_ADDR=",
		"USER_MESSAGE_RATE_PER_SECOND=0", "USER_MESSAGE_INTERVAL_SECS=0",
		"CALLBACK_SIGNING_SECRETS=" + secret, "CALLBACK_START=earliest",
		"ROOM_EVENT_CALLBACK_URL=" + receiver + "/room-events", "CHAT_HISTORY_CALLBACK_URL=" + receiver + "/chat",
		"SESSION_HISTORY_CALLBACK_URL=" + receiver + "/sessions", "PERIODIC_SYNC_CALLBACK_URL=" + receiver + "/periodic",
		"DATA_CALLBACK_URL=" + receiver + "/data", "DATA_CALLBACK_MAX_RECORDS=100",
		"CHAT_HISTORY_BATCH_INTERVAL_SECONDS=2", "SESSION_HISTORY_BATCH_INTERVAL_SECONDS=2",
		// A round of both snapshot streams is four queries a room: many rooms get it less often, else it is what the machine does.
		"SYNC_INTERVAL_SECONDS=" + strconv.Itoa(max(2, o.play.Rooms/10)),
	}
}

// healthy waits until up answers.
func (u *demoUp) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoStart)
	defer cancel()
	tick := time.NewTicker(demoProbe)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/management/health", nil)
		if err != nil {
			return err
		}
		req.Close = true
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-u.exited:
			return errors.New("up did not start: " + u.tail())
		case <-ctx.Done():
			return fmt.Errorf("up is not healthy: %w: %s", ctx.Err(), u.tail())
		case <-tick.C:
		}
	}
}

// stop asks up to drain, and kills it when that takes too long. It returns what went wrong with it at any time.
func (u *demoUp) stop() error {
	timer := time.NewTimer(demoStop)
	defer timer.Stop()
	_ = u.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-u.exited:
	case <-timer.C:
		_ = u.cmd.Process.Kill()
		<-u.exited
		return fmt.Errorf("up did not stop within %s: %s", demoStop, u.tail())
	}
	if u.err != nil {
		return fmt.Errorf("up: %w: %s", u.err, u.tail())
	}
	return nil
}

// cpu is what up and its children have used; valid after stop.
func (u *demoUp) cpu() time.Duration {
	return u.cmd.ProcessState.UserTime() + u.cmd.ProcessState.SystemTime()
}

// tail is the end of what up has written.
func (u *demoUp) tail() string {
	const most = 2 << 10
	b, err := os.ReadFile(u.output)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// demoSecret is the signing secret of a demo, kept so that a resumed one has it too.
func demoSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return string(b), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the demo's secret: %w", err)
	}
	secret := "whsec_" + base64.StdEncoding.EncodeToString(random(24))
	return secret, os.WriteFile(path, []byte(secret), 0o600)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
