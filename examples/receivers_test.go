// Package examples_test runs the examples as a user would: the receivers in Python and Go against the sender of every callback body, and the
// clients against a real `splitsync up`.
package examples_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	secret    = "whsec_c3BsaXRzeW5jIGV4YW1wbGUgc2VjcmV0"
	oldSecret = "whsec_dGhlIHNlY3JldCBiZWZvcmUgdGhhdCBvbmU="
)

// receivers are the commands of both receivers, to which flags are added.
func receivers(t *testing.T) map[string][]string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "receiver")
	if out, err := exec.Command("go", "build", "-o", bin, "./callback-receiver/go").CombinedOutput(); err != nil {
		t.Fatalf("build the receiver: %v\n%s", err, out)
	}
	return map[string][]string{"python": {"python3", "-B", "callback-receiver/receiver.py"}, "go": {bin}}
}

// startReceiver starts a receiver on a free port. stop interrupts it and checks that it ends well.
func startReceiver(t *testing.T, command []string, flags ...string) (url string, stop func()) {
	t.Helper()
	args := append(append(command[1:len(command):len(command)], "--addr", "127.0.0.1:0"), flags...)
	cmd := exec.Command(command[0], args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		deadline := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer deadline.Stop()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("stop the receiver: %v", err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the receiver ended with %v", err)
		}
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the receiver did not start: %v", err)
	}
	url, _, _ = strings.Cut(strings.TrimPrefix(line, "listening on "), ",")
	return url, stop
}

// script runs a script of this folder and returns its output and exit code.
func script(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{"-B"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func get(t *testing.T, url string) any {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s, %v", url, resp.Status, err)
	}
	return v
}

// shown is everything that a receiver shows about rooms.
func shown(t *testing.T, url string) any {
	t.Helper()
	return []any{get(t, url+"/rooms"), get(t, url+"/rooms/example"), get(t, url+"/rooms/example-other")}
}

func TestReceiversTakeEveryBody(t *testing.T) {
	views := map[string]any{}
	for name, command := range receivers(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "callbacks.jsonl")
			url, stop := startReceiver(t, command, "--secret", oldSecret, "--secret", secret, "--file", file)
			for i, s := range []string{secret, oldSecret} { // both hold while one replaces the other
				args := []string{"test_callback.py", "--url", url, "--secret", s, "--at", "1700000000"}
				if i == 0 {
					args = append(args, "--room", "example")
				}
				if out, code := script(t, args...); code != 0 {
					t.Fatalf("test_callback.py ended with %d:\n%s", code, out)
				}
			}
			before, stored := shown(t, url), get(t, url+"/stats").(map[string]any)["stored"]
			stop()
			appendTo(t, file, `{"id":"half a li`) // as a crash in the middle of a write leaves it
			url, _ = startReceiver(t, command, "--secret", secret, "--file", file)
			if diff := cmp.Diff(before, shown(t, url)); diff != "" {
				t.Errorf("after a restart it shows other rooms (-before +after):\n%s", diff)
			}
			if got := get(t, url+"/stats").(map[string]any)["stored"]; got != stored {
				t.Errorf("after a restart %v are stored, before %v", got, stored)
			}
			views[name] = before.([]any)[1:]
		})
	}
	if diff := cmp.Diff(views["python"], views["go"]); diff != "" {
		t.Errorf("the receivers show different things (-python +go):\n%s", diff)
	}
}

func TestReceiversTakeUnsignedBodies(t *testing.T) {
	for name, command := range receivers(t) {
		t.Run(name, func(t *testing.T) {
			url, _ := startReceiver(t, command)
			if out, code := script(t, "test_callback.py", "--url", url); code != 0 {
				t.Errorf("test_callback.py ended with %d:\n%s", code, out)
			}
		})
	}
}

func TestReceiversBoundTheBody(t *testing.T) {
	big := []byte(`{"event_type":"ping","pad":"` + strings.Repeat("x", 10_000) + `"}`)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(big); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, command := range receivers(t) {
		t.Run(name, func(t *testing.T) {
			url, _ := startReceiver(t, command, "--max-body", "1000", "--secret", secret)
			for _, c := range []struct {
				name, encoding string
				wire           io.Reader // one without a known length goes in chunks
				raw            []byte
				want           int
			}{
				{"big", "", bytes.NewReader(big), big, http.StatusRequestEntityTooLarge},
				{"big in chunks", "", io.MultiReader(bytes.NewReader(big)), big, http.StatusRequestEntityTooLarge},
				{"big when inflated", "gzip", bytes.NewReader(bomb.Bytes()), big, http.StatusRequestEntityTooLarge},
				{"small in chunks", "", io.MultiReader(strings.NewReader("{\"event_type\":"), strings.NewReader("\"ping\"}")), []byte(`{"event_type":"ping"}`), http.StatusOK},
			} {
				if got := post(t, url, c.wire, c.raw, c.encoding); got != c.want {
					t.Errorf("%s: status %d, want %d", c.name, got, c.want)
				}
			}
		})
	}
}

func TestReceiverAnswers503WhenItCannotStore(t *testing.T) {
	// The shell bounds files to one block; Python gets an error from the write that passes it. (The Go receiver's own test breaks its file.)
	file := filepath.Join(t.TempDir(), "callbacks.jsonl")
	url, _ := startReceiver(t, []string{"sh", "-c", `ulimit -f 1; exec python3 -B callback-receiver/receiver.py "$@"`, "sh"}, "--file", file, "--secret", secret)
	raw := []byte(`{"event_type":"ping","pad":"` + strings.Repeat("x", 5000) + `"}`)
	if got := post(t, url, bytes.NewReader(raw), raw, ""); got != http.StatusServiceUnavailable {
		t.Errorf("status %d with a full disk, want 503", got)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) != 0 {
		t.Errorf("the file holds %d bytes of a callback that was not acknowledged (%v)", len(b), err)
	}
}

func TestTestCallbackFindsABadReceiver(t *testing.T) {
	yes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }))
	defer yes.Close()
	if out, code := script(t, "test_callback.py", "--url", yes.URL, "--secret", secret, "--status-only"); code != 1 {
		t.Errorf("a receiver that takes everything passes (exit code %d):\n%s", code, out)
	}
}

// post sends wire with the signature of raw and returns the status.
func post(t *testing.T, url string, wire io.Reader, raw []byte, encoding string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, wire)
	if err != nil {
		t.Fatal(err)
	}
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := hook.Sign(t.Name(), now, raw)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", t.Name())
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
