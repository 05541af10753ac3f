package apachekafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopWait = 15 * time.Second // how long a node may take to stop before it is killed
	poll     = 50 * time.Millisecond
	ask      = time.Second // how long a node may take for one ApiVersions answer
)

// Node is one broker of a cluster. Its address and data stay over a restart.
type Node struct {
	id   int
	addr string
	dir  string
	java string
	base []string // arguments of every java

	mu   sync.Mutex
	cmd  *exec.Cmd     // nil while it does not run
	done chan struct{} // closed when cmd has ended
}

// Addr is the node's host and port.
func (n *Node) Addr() string { return n.addr }

func (n *Node) configPath() string { return filepath.Join(n.dir, "server.properties") }

func (n *Node) outputPath() string { return filepath.Join(n.dir, "output.log") }

// format prepares the node's empty data folder.
func (n *Node) format(ctx context.Context, clusterID string) error {
	args := append([]string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}, n.base...)
	args = append(args, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.configPath())
	if out, err := exec.CommandContext(ctx, n.java, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format node %d: %w: %s", n.id, err, lastLine(string(out)))
	}
	return nil
}

// launch starts the process, in a process group of its own.
func (n *Node) launch() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return fmt.Errorf("node %d runs already", n.id)
	}
	out, err := os.OpenFile(n.outputPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	args := append([]string{"-Xms512m", "-Xmx512m", "-XX:+UseG1GC"}, n.base...)
	cmd := exec.Command(n.java, append(args, "kafka.Kafka", n.configPath())...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %d: %w", n.id, err)
	}
	done := make(chan struct{})
	n.cmd, n.done = cmd, done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	return nil
}

// Start starts the node after Kill9 or Stop and returns when it answers.
func (n *Node) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if err := n.launch(); err != nil {
		return err
	}
	return n.awaitReady(ctx)
}

// Restart is Kill9 and Start.
func (n *Node) Restart(ctx context.Context) error {
	n.Kill9()
	return n.Start(ctx)
}

// awaitReady returns when the node answers ApiVersions.
func (n *Node) awaitReady(ctx context.Context) error {
	_, done := n.running()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := apiVersions(ctx, n.addr)
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return fmt.Errorf("node %d ended: %s", n.id, n.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("node %d does not answer: %w: %s", n.id, errors.Join(ctx.Err(), err), n.lastOutput())
		case <-tick.C:
		}
	}
}

// running returns the process and the channel that its end closes; nil while there is none.
func (n *Node) running() (*exec.Cmd, chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd, n.done
}

// Kill9 kills the node with SIGKILL and waits until it is gone. It may be down already.
func (n *Node) Kill9() {
	cmd, done := n.running()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-done
	n.forget(cmd)
}

// Stop ends the node in good order, or kills it when that takes more than 15 s. It may be down already.
func (n *Node) Stop() error {
	cmd, done := n.running()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-done:
		n.forget(cmd)
		return nil
	case <-timer.C:
		n.Kill9()
		return fmt.Errorf("node %d did not stop within %s and was killed", n.id, stopWait)
	}
}

func (n *Node) forget(cmd *exec.Cmd) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == cmd {
		n.cmd = nil
	}
}

func (n *Node) lastOutput() string {
	out, err := os.ReadFile(n.outputPath())
	if err != nil {
		return err.Error()
	}
	return lastLine(string(out))
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// apiVersions asks a broker for its versions (version 0 of that request: a header, no body) and checks the answer's error.
func apiVersions(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, ask)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	const key, version, correlation = 18, 0, 7
	request := binary.BigEndian.AppendUint32(nil, 10)
	request = binary.BigEndian.AppendUint16(request, key)
	request = binary.BigEndian.AppendUint16(request, version)
	request = binary.BigEndian.AppendUint32(request, correlation)
	request = binary.BigEndian.AppendUint16(request, 0xffff) // no client id
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var answer [10]byte // size, correlation id, error code
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if code := binary.BigEndian.Uint16(answer[8:]); code != 0 {
		return fmt.Errorf("api versions: error %d", code)
	}
	return nil
}
