package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	orphanWait   = 10 * time.Second // how long a start waits for a child of a killed parent to let its data go
	readyWait    = 60 * time.Second // how long a new child may take to answer (it loads its tables first)
	childStop    = 10 * time.Second // how long a child may take to stop before its group is killed
	stderrLines  = 5                // how many of a dead child's last lines are told
	pollInterval = 20 * time.Millisecond
)

// ClickHouseConfig says where and how a ClickHouse child runs.
type ClickHouseConfig struct {
	DataDir     string // its own folder (data/, clickhouse.log, config.xml), made if absent (0700)
	Binary      string // a clickhouse binary; empty = `clickhouse` on PATH, else the library that Fetch put into CacheDir
	CacheDir    string // as for Fetch; empty = DefaultCacheDir
	TCPPort     int    // native protocol, on 127.0.0.1; 0 = a free one below 32768
	HTTPPort    int    // likewise
	Fsync       bool   // fsync every inserted block before it is acknowledged, so that rows survive a power cut too
	MemoryBytes uint64 // cap of the server's memory; 0 = a quarter of the machine
}

// ClickHouse is a running ClickHouse server in a child process: on loopback only, user "default" without a password.
type ClickHouse struct {
	cfg      ClickHouseConfig
	cmd      *exec.Cmd
	stdin    io.Closer
	stderr   *tailWriter
	done     chan struct{}
	err      error // set before done is closed
	stopping atomic.Bool
	stop     sync.Once
}

// StartClickHouse starts a server on cfg.DataDir and returns when it answers a query. It waits up to 10 s for the child of
// a parent that died to let the data go, and up to 60 s for the answer; it gives up, and leaves nothing running, when ctx
// ends. The server is in its own process group and goes on until Stop, Kill or the end of this process.
func StartClickHouse(ctx context.Context, cfg ClickHouseConfig, log *slog.Logger) (*ClickHouse, error) {
	c, err := startClickHouse(ctx, cfg, log)
	if err != nil {
		return nil, fmt.Errorf("embedded clickhouse: %w", err)
	}
	return c, nil
}

func startClickHouse(ctx context.Context, cfg ClickHouseConfig, log *slog.Logger) (*ClickHouse, error) {
	program, err := findProgram(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cfg.DataDir, "data"), 0o700); err != nil {
		return nil, err
	}
	lock, err := WaitLock(ctx, filepath.Join(cfg.DataDir, "lock"), orphanWait)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the child has its own copy and holds the lock until it is gone
	if err := choosePorts(&cfg); err != nil {
		return nil, err
	}
	if cfg.MemoryBytes == 0 {
		if cfg.MemoryBytes, err = quarterOfMemory(); err != nil {
			return nil, err
		}
	}
	if err := writeServerConfig(cfg); err != nil {
		return nil, err
	}
	c, err := spawn(cfg, program, lock)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	log.Info("embedded clickhouse started", "program", program.name(), "addr", c.Addr(), "http", c.HTTPAddr(),
		"pid", c.PID(), "took_ms", time.Since(began).Milliseconds())
	return c, nil
}

// spawn starts the child.
func spawn(cfg ClickHouseConfig, program program, lock *os.File) (*ClickHouse, error) {
	plan, err := json.Marshal(childPlan{Library: program.library, Binary: program.binary, Args: program.args(cfg)})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &ClickHouse{cfg: cfg, stderr: &tailWriter{}, done: make(chan struct{})}
	c.cmd = exec.Command(self, childMarker, string(plan))
	c.cmd.Dir = cfg.DataDir
	c.cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + cfg.DataDir, "TZ=UTC"} // no setting of ours is the child's business
	c.cmd.Stdout, c.cmd.Stderr = c.stderr, c.stderr
	c.cmd.ExtraFiles = []*os.File{lock}
	ownGroup(c.cmd)
	c.cmd.WaitDelay = time.Second
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = stdin
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go c.wait()
	return c, nil
}

// wait records how the child ended.
func (c *ClickHouse) wait() {
	err := c.cmd.Wait()
	if !c.stopping.Load() {
		if err == nil {
			err = errors.New("exit status 0")
		}
		c.err = fmt.Errorf("clickhouse on %s ended by itself: %w: %s", c.cfg.DataDir, err, c.stderr.lastLines(stderrLines))
	}
	close(c.done)
}

// awaitReady returns when the child answers. Otherwise the child is gone when it returns.
func (c *ClickHouse) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if _, err := Query(ctx, c.HTTPAddr(), "SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			c.Kill()
			return fmt.Errorf("no answer on %s within %s: %w: %s", c.HTTPAddr(), readyWait, ctx.Err(), c.stderr.lastLines(stderrLines))
		case <-tick.C:
		}
	}
}

// Addr is the host and port of the native protocol (clickhouse-go).
func (c *ClickHouse) Addr() string { return loopback(c.cfg.TCPPort) }

// HTTPAddr is the host and port of the HTTP interface.
func (c *ClickHouse) HTTPAddr() string { return loopback(c.cfg.HTTPPort) }

// PID is the process id of the child, which is also the id of its process group.
func (c *ClickHouse) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended, for whatever reason.
func (c *ClickHouse) Done() <-chan struct{} { return c.done }

// Err is nil while the child runs and after Stop or Kill; else it tells how the child ended, with its last lines.
func (c *ClickHouse) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop ends the server in good order: it closes the child's input, waits, and kills the child's process group only after
// 10 s or when ctx ends. Nothing of it runs when Stop returns. It may be called again and after the child died.
func (c *ClickHouse) Stop(ctx context.Context) error {
	c.stopping.Store(true)
	c.stop.Do(func() { c.stdin.Close() })
	timer := time.NewTimer(childStop)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	c.Kill()
	return fmt.Errorf("clickhouse on %s did not stop in time and was killed", c.cfg.DataDir)
}

// Kill ends the child's process group with SIGKILL and waits until the child is gone. Rows that the server acknowledged
// survive it.
func (c *ClickHouse) Kill() {
	c.stopping.Store(true)
	killGroup(c.PID())
	<-c.done
	c.stop.Do(func() { c.stdin.Close() })
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
