package upproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain makes this test binary a stand-in for splitsync when it is started as `up`.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "up" {
		os.Exit(standIn())
	}
	goleak.VerifyTestMain(m)
}

// standIn answers /management/health, counts its starts in DATA_DIR, has a child with a process group of its own (as the embedded ClickHouse), and
// ends at SIGINT with the child.
func standIn() int {
	if os.Getenv("STAND_IN") == "broken" {
		_, _ = os.Stderr.WriteString("no such luck\n")
		return 2
	}
	starts := filepath.Join(os.Getenv("DATA_DIR"), "starts")
	if err := os.MkdirAll(filepath.Dir(starts), 0o700); err != nil {
		return 3
	}
	before, _ := os.ReadFile(starts) // none at the first start
	if err := os.WriteFile(starts, append(before, 'x'), 0o600); err != nil {
		return 3
	}
	child := exec.Command("cat")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := child.StdinPipe()
	if err != nil || child.Start() != nil {
		return 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server := &http.Server{Addr: os.Getenv("BIND_ADDRESS"), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "OK")
	})}
	served := make(chan error, 1)
	go func() { served <- server.ListenAndServe() }()
	<-ctx.Done()
	server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return 3
	}
	in.Close()
	if child.Wait() != nil {
		return 3
	}
	return 0
}

func startStandIn(t *testing.T, env ...string) *Up {
	t.Helper()
	u := newUp(t, env)
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u.bin = bin
	u.start()
	t.Cleanup(func() {
		if u.Running() {
			u.Stop()
		}
	})
	return u
}

func starts(t *testing.T, u *Up) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(u.DataDir, "starts"))
	if err != nil {
		t.Fatal(err)
	}
	return len(b)
}

func TestStopAndRestartKeepDataAndPorts(t *testing.T) {
	u := startStandIn(t)
	url, pid := u.URL, u.Pid()
	u.Stop()
	if u.Running() || u.healthy(t.Context()) {
		t.Error("it runs after Stop")
	}
	u.Restart()
	if u.URL != url || u.Pid() == pid || !u.healthy(t.Context()) || starts(t, u) != 2 {
		t.Errorf("after Restart: %s (was %s), %d starts on the data, want 2", u.URL, url, starts(t, u))
	}
	u.Restart() // of a running one
	if starts(t, u) != 3 {
		t.Errorf("%d starts on the data, want 3", starts(t, u))
	}
}

func TestKill9(t *testing.T) {
	u := startStandIn(t)
	u.Kill9()
	if u.Running() || u.healthy(t.Context()) {
		t.Error("it runs after Kill9")
	}
	u.Restart()
	below := descendants(u.Pid())
	if len(below) != 1 {
		t.Fatalf("%d processes below it, want the child", len(below))
	}
	u.Kill9All()
	waitGone(t, below[0])
}

func TestBinaryIsBuiltFromThisTree(t *testing.T) {
	out, err := exec.Command(Binary(t), "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "splitsync ") {
		t.Errorf("splitsync version = %q, %v", out, err)
	}
}

func TestSettingsOfTheTestWin(t *testing.T) {
	u := newUp(t, []string{"ADMIN_API_KEY=mine"})
	if last := u.env[len(u.env)-1]; last != "ADMIN_API_KEY=mine" {
		t.Errorf("the last setting is %s, want that of the test", last)
	}
}

func TestOutputTellsWhyItEnded(t *testing.T) {
	u := newUp(t, []string{"STAND_IN=broken"})
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u.bin = bin
	failed := &recorder{TB: t}
	u.tb = failed
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine that calls it
		defer close(done)
		u.start()
	}()
	<-done
	if !strings.Contains(failed.text, "ended before it was healthy") || !strings.Contains(failed.text, "no such luck") {
		t.Errorf("a start that fails says %q", failed.text)
	}
}

// waitGone waits until a process has ended; an orphan is reaped by somebody else, or stays as a zombie.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil || strings.Contains(string(status), ") Z ") {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("process %d is still there: %s", pid, status)
		case <-tick.C:
		}
	}
}

// recorder keeps what Fatalf says instead of failing the test.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
