// Package upproc runs the real binary as `splitsync up` for tests: it builds it, starts it on free ports with a folder of its own, waits until
// it answers, stops it as Ctrl-C does, or kills it and starts it again on the same data and ports.
package upproc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"splitsync/internal/devstack"
)

// How long a test waits. The contract of up is 15 s for a stop.
const (
	startWithin = 90 * time.Second
	stopWithin  = 20 * time.Second
	probeEvery  = 50 * time.Millisecond
)

// Up is a `splitsync up` of a test. Its methods may not be called at the same time.
type Up struct {
	URL        string // http://127.0.0.1:PORT, every route
	APIKey     string
	MetricsURL string // http://127.0.0.1:PORT, /metrics /livez /readyz
	DataDir    string
	KafkaAddr  string // of the embedded broker
	ClickHouse string // native protocol of the embedded ClickHouse, host:port

	tb     testing.TB
	bin    string
	home   string // folder of output and working directory
	env    []string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has been waited for
	err    error         // of the process; valid after exited
}

// Start builds splitsync and starts `up` with env (KEY=value; they win over the settings made here), and returns when it is healthy. It is
// stopped when the test ends. Any fault fails the test with the last output of the process.
func Start(tb testing.TB, env ...string) *Up {
	tb.Helper()
	u := newUp(tb, env)
	u.bin = Binary(tb)
	tb.Cleanup(func() {
		if u.Running() {
			u.Stop()
		}
	})
	u.start()
	return u
}

func newUp(tb testing.TB, env []string) *Up {
	tb.Helper()
	ports, err := devstack.FreePorts(5)
	if err != nil {
		tb.Fatal(err)
	}
	home := tb.TempDir()
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	u := &Up{
		tb: tb, home: home, DataDir: filepath.Join(home, "data"), APIKey: "upproc-key",
		URL: "http://" + at(0), MetricsURL: "http://" + at(1), KafkaAddr: at(2), ClickHouse: at(3),
	}
	u.env = slices.Concat([]string{
		"DATA_DIR=" + u.DataDir,
		"ADMIN_API_KEY=" + u.APIKey,
		"BIND_ADDRESS=" + at(0),
		"METRICS_ADDRESS=" + at(1),
		"EMBEDDED_KAFKA_PORT=" + strconv.Itoa(ports[2]),
		"EMBEDDED_CLICKHOUSE_TCP_PORT=" + strconv.Itoa(ports[3]),
		"EMBEDDED_CLICKHOUSE_HTTP_PORT=" + strconv.Itoa(ports[4]),
		"KAFKA_BROKERS=",
		"CLICKHOUSE_ADDR=",
	}, env)
	return u
}

// start runs the binary in a process group of its own and waits for its health.
func (u *Up) start() {
	u.tb.Helper()
	out, err := os.OpenFile(u.outputFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		u.tb.Fatalf("output of up: %v", err)
	}
	defer out.Close()
	cmd := exec.Command(u.bin, "up")
	cmd.Dir = u.home // no .env of a developer
	cmd.Env = append(cmd.Environ(), u.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		u.tb.Fatalf("start up: %v", err)
	}
	exited := make(chan struct{})
	u.cmd, u.exited = cmd, exited
	go func() {
		u.err = cmd.Wait()
		close(exited)
	}()
	u.waitHealthy()
}

func (u *Up) waitHealthy() {
	u.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for !u.healthy(ctx) {
		select {
		case <-u.exited:
			u.tb.Fatalf("up ended before it was healthy: %v\n%s", u.err, u.Output())
		case <-ctx.Done():
			u.Kill9All()
			u.tb.Fatalf("up is not healthy after %s\n%s", startWithin, u.Output())
		case <-tick.C:
		}
	}
}

// healthy says whether /management/health answers 200 OK.
func (u *Up) healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL+"/management/health", nil)
	if err != nil {
		return false
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	return err == nil && resp.StatusCode == http.StatusOK && string(bytes.TrimSpace(body)) == "OK"
}

// Running says whether the process has been started and has not ended.
func (u *Up) Running() bool {
	if u.cmd == nil {
		return false
	}
	select {
	case <-u.exited:
		return false
	default:
		return true
	}
}

// Pid is the process id of the running binary.
func (u *Up) Pid() int { return u.cmd.Process.Pid }

// Stop sends SIGINT to the process group, as Ctrl-C does, and waits. An exit code other than 0, or no end within 20 s, is an error of the test.
func (u *Up) Stop() {
	u.tb.Helper()
	if !u.Running() {
		u.tb.Errorf("stop up: it has ended already: %v\n%s", u.err, u.Output())
		return
	}
	if err := syscall.Kill(-u.Pid(), syscall.SIGINT); err != nil {
		u.tb.Errorf("interrupt up: %v", err)
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-u.exited:
		if u.err != nil {
			u.tb.Errorf("up ended with %v\n%s", u.err, u.Output())
		}
	case <-timer.C:
		u.Kill9All()
		u.tb.Errorf("up did not stop within %s\n%s", stopWithin, u.Output())
	}
}

// Restart starts the binary again on the same folder, ports and key, after Stop or Kill9 (a running one is stopped first).
func (u *Up) Restart() {
	u.tb.Helper()
	if u.Running() {
		u.Stop()
	}
	u.start()
}

// Output is the end of what the process has printed, over all starts: at most 16 KiB.
func (u *Up) Output() string {
	const most = 16 << 10
	b, err := os.ReadFile(u.outputFile())
	if err != nil {
		return fmt.Sprintf("no output: %v", err)
	}
	return strings.ToValidUTF8(string(b[max(0, len(b)-most):]), "?")
}

func (u *Up) outputFile() string { return filepath.Join(u.home, "up.log") }
