package devstack_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// start starts a ClickHouse (the fetched library, or what this machine has) that ends with the test.
func start(t *testing.T, cfg devstack.ClickHouseConfig) *devstack.ClickHouse {
	t.Helper()
	if err := devstack.Prepare(t.Context(), cfg, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	server, err := devstack.StartClickHouse(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func query(t *testing.T, server *devstack.ClickHouse, sql string) string {
	t.Helper()
	text, err := devstack.Query(t.Context(), server.HTTPAddr(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text)
}

func TestClickHouseKeepsItsRowsOverKill9AndStop(t *testing.T) {
	cfg := devstack.ClickHouseConfig{DataDir: filepath.Join(t.TempDir(), "clickhouse")}
	server := start(t, cfg)
	query(t, server, "CREATE DATABASE d ENGINE = Atomic")
	query(t, server, "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
	query(t, server, "INSERT INTO d.t SELECT number FROM numbers(1000)")
	server.Kill()

	server = start(t, cfg)
	if got := query(t, server, "SELECT count(), sum(n) FROM d.t"); got != "1000\t499500" {
		t.Errorf("after kill -9: %q", got)
	}
	query(t, server, "INSERT INTO d.t SELECT number FROM numbers(10)")
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-server.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("something of the child's group is left: %v", err)
	}
	if err := server.Err(); err != nil {
		t.Errorf("a stopped child has the error %v", err)
	}
	if got := query(t, start(t, cfg), "SELECT count() FROM d.t"); got != "1010" {
		t.Errorf("after stop: %q", got)
	}
}

func TestClickHouseIsCappedQuietAndOutOfReachOfCtrlC(t *testing.T) {
	dir := t.TempDir()
	server := start(t, devstack.ClickHouseConfig{DataDir: dir, MemoryBytes: 777 << 20, Fsync: true})
	if got := query(t, server, "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"); got != fmt.Sprint(777<<20) {
		t.Errorf("memory cap %s, want %d", got, 777<<20)
	}
	if got := query(t, server, "SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'"); got != "1" {
		t.Errorf("fsync_after_insert %s, want 1", got)
	}
	group, err := syscall.Getpgid(server.PID())
	if err != nil || group != server.PID() {
		t.Errorf("process group %d of %d, %v", group, server.PID(), err)
	}
	query(t, server, "SELECT 1")
	log, err := os.ReadFile(filepath.Join(dir, "clickhouse.log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "<Debug>") || strings.Contains(string(log), "<Information>") {
		t.Errorf("the log is not quiet: %.300s", log)
	}
	for _, addr := range []string{server.Addr(), server.HTTPAddr()} {
		_, port, err := net.SplitHostPort(addr)
		if err != nil || len(port) != 5 || port >= "32768" {
			t.Errorf("address %s, %v; want a port below 32768", addr, err)
		}
	}
}

func TestRunningClickHouseIsFoundByItsFolder(t *testing.T) {
	cfg := devstack.ClickHouseConfig{DataDir: t.TempDir()}
	if _, err := devstack.RunningClickHouse(cfg.DataDir); err == nil {
		t.Error("a server was found where none ever ran")
	}
	server := start(t, cfg)
	addr, err := devstack.RunningClickHouse(cfg.DataDir)
	if err != nil || addr != server.HTTPAddr() {
		t.Errorf("%q, %v; want %q", addr, err, server.HTTPAddr())
	}
	var long strings.Builder
	err = devstack.QueryTo(t.Context(), addr, "", "SELECT repeat('x', 1000) FROM numbers(3000)", &long)
	if err != nil || long.Len() != 3000*1001 {
		t.Errorf("an answer of %d bytes, %v", long.Len(), err)
	}
	if _, err := devstack.Query(t.Context(), addr, "SELECT nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v; want the server's text", err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := devstack.RunningClickHouse(cfg.DataDir); err == nil || !strings.Contains(err.Error(), "splitsync up") {
		t.Errorf("error %v; want what to do", err)
	}
}

func TestClickHouseThatDiesIsSeen(t *testing.T) {
	server := start(t, devstack.ClickHouseConfig{DataDir: t.TempDir()})
	if err := syscall.Kill(server.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed")
	}
	if err := server.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("error %v; want how it ended", err)
	}
}

func TestClickHouseThatCannotStartTellsWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	broken := filepath.Join(t.TempDir(), "clickhouse")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\necho first >&2\necho cannot read the moon >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]devstack.ClickHouseConfig{
		"EMBEDDED_CLICKHOUSE_TCP_PORT": {TCPPort: taken.Addr().(*net.TCPAddr).Port, Binary: broken},
		"cannot read the moon":         {Binary: broken},
		"CLICKHOUSE_BIN":               {Binary: filepath.Join(t.TempDir(), "absent")},
	} {
		cfg.DataDir = t.TempDir()
		_, err := devstack.StartClickHouse(t.Context(), cfg, testkit.Log(t))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want one line with %q", err, want)
		}
	}
}

// binary returns a file that runs this test binary as a clickhouse binary.
func binary(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "clickhouse")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec '"+self+"' "+serverRole+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClickHouseBinaryStopsInGoodOrder(t *testing.T) {
	cfg := devstack.ClickHouseConfig{DataDir: t.TempDir(), Binary: binary(t)}
	server := start(t, cfg)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(cfg.DataDir, "data", "stopped")); err != nil {
		t.Errorf("the binary was not asked to stop: %v", err)
	}
}

// TestClickHouseOfAKilledParent: kill -9 of the parent ends its child, and a new parent that comes at once waits for it.
func TestClickHouseOfAKilledParent(t *testing.T) {
	start(t, devstack.ClickHouseConfig{DataDir: t.TempDir()}) // fetched from here on
	for name, program := range map[string]string{"library or PATH": "", "binary": binary(t)} {
		t.Run(name, func(t *testing.T) {
			cfg := devstack.ClickHouseConfig{DataDir: t.TempDir(), Binary: program}
			orphan := killParent(t, cfg)
			start(t, cfg)
			if runs(orphan) {
				t.Errorf("the orphan %d still runs beside the new child", orphan)
			}
		})
	}
}

// runs says whether a process is there and is more than an entry that nobody has collected yet.
func runs(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !strings.Contains(string(status), "State:\tZ")
}

// killParent runs a parent with a ClickHouse, kills the parent, and returns the pid of the orphan.
func killParent(t *testing.T, cfg devstack.ClickHouseConfig) (orphan int) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, parentRole, cfg.DataDir, cfg.Binary)
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var addr string
	if _, err := fmt.Sscan(line, &orphan, &addr); err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	return orphan
}
