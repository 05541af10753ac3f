package e2e

import (
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"splitsync/e2e/upproc"
	"splitsync/internal/devstack"
)

// refuses starts up with settings under which it must not start, and returns the one line that it says.
func refuses(t *testing.T, env ...string) string {
	t.Helper()
	ports, err := devstack.FreePorts(5)
	if err != nil {
		t.Fatal(err)
	}
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	cmd := exec.CommandContext(t.Context(), upproc.Binary(t), "up")
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "DATA_DIR="+filepath.Join(cmd.Dir, "data"), "BIND_ADDRESS="+at(0), "METRICS_ADDRESS="+at(1),
		"EMBEDDED_KAFKA_PORT="+strconv.Itoa(ports[2]), "EMBEDDED_CLICKHOUSE_TCP_PORT="+strconv.Itoa(ports[3]),
		"EMBEDDED_CLICKHOUSE_HTTP_PORT="+strconv.Itoa(ports[4]), "LOG_LEVEL=error", "KAFKA_BROKERS=", "CLICKHOUSE_ADDR=")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("up started and ended with exit code 0\n%s", out)
	}
	text := strings.TrimSpace(string(out))
	if strings.Contains(text, "\n") {
		t.Errorf("not one line:\n%s", text)
	}
	return text
}

func TestASecondUpOnOneFolderRefuses(t *testing.T) {
	t.Parallel()
	u := upproc.Start(t)
	line := refuses(t, "DATA_DIR="+u.DataDir)
	if !strings.Contains(line, u.DataDir) || !strings.Contains(line, strconv.Itoa(u.Pid())) || !strings.Contains(line, "DATA_DIR") {
		t.Errorf("says %q, want the folder, the process %d and DATA_DIR", line, u.Pid())
	}
}

func TestATakenPortRefuses(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, setting := range []string{"BIND_ADDRESS", "METRICS_ADDRESS", "EMBEDDED_KAFKA_PORT", "EMBEDDED_CLICKHOUSE_TCP_PORT", "EMBEDDED_CLICKHOUSE_HTTP_PORT"} {
		value := port
		if strings.HasSuffix(setting, "ADDRESS") {
			value = ln.Addr().String()
		}
		if line := refuses(t, setting+"="+value); !strings.Contains(line, setting) || !strings.Contains(line, port) {
			t.Errorf("%s: says %q, want the setting and the port", setting, line)
		}
	}
}

func TestBadSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), upproc.Binary(t), "up")
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "MAX_CONNECTIONS=many", "EMBEDDED_KAFKA_PORT=99999", "CALLBACK_ON_EXHAUSTED=never")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	for _, want := range []string{"MAX_CONNECTIONS", "EMBEDDED_KAFKA_PORT", "CALLBACK_ON_EXHAUSTED"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not named:\n%s", want, out)
		}
	}
}
