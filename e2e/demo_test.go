package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"splitsync/e2e/upproc"
)

// watched is a buffer that tells when a text has been written to it.
type watched struct {
	text string
	seen chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements io.Writer.
func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := strings.Contains(w.all.String(), w.text)
	n, err := w.all.Write(b)
	if !before && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
	}
	return n, err
}

// demo starts `splitsync demo` with a folder for temporary files of its own, which must be empty at the end.
func demo(t *testing.T, args ...string) (cmd *exec.Cmd, stdout *bytes.Buffer, stderr *watched) {
	t.Helper()
	temp := t.TempDir()
	cmd = exec.CommandContext(t.Context(), upproc.Binary(t), append([]string{"demo"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "TMPDIR="+temp)
	stdout, stderr = &bytes.Buffer{}, &watched{text: "demo: up at", seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
			t.Errorf("the demo leaves %v, %v", left, err)
		}
	})
	return cmd, stdout, stderr
}

func TestTheDemoShowsTheLedger(t *testing.T) {
	t.Parallel()
	file, _, empty := chatLog(t, 7, 600)
	cmd, stdout, stderr := demo(t, "--file", file, "--rooms", "5", "--members", "3")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, &stderr.all)
	}
	if text := stdout.String(); !strings.Contains(text, "the ledger holds") || strings.Count(text, "(error 107)") != len(empty) {
		t.Errorf("the demo says:\n%s", text)
	}
}

func TestTheDemoEndsCleanlyWithCtrlC(t *testing.T) {
	t.Parallel()
	file, _, _ := chatLog(t, 8, 600)
	cmd, stdout, stderr := demo(t, "--file", file, "--rate", "20")
	<-stderr.seen
	begin := time.Now()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || time.Since(begin) > 25*time.Second {
		t.Errorf("exit code %d after %s, want 1", code, time.Since(begin))
	}
	if text := stdout.String(); !strings.Contains(text, "interrupted: --resume --room-prefix load-") {
		t.Errorf("the demo says:\n%s%s", text, &stderr.all)
	}
}
