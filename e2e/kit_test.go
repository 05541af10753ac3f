// Package e2e runs the whole product, the real binary, and looks at it from outside: clients, callbacks, REST and SQL.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"splitsync/e2e/upproc"
	"splitsync/internal/testkit"
	"splitsync/load"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// secret signs the callbacks of these tests.
const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// said is one line of a generated chat log.
type said struct {
	Room string `json:"room"`
	User string `json:"user"`
	TS   int64  `json:"ts"`
	Text string `json:"text"`
}

// oddities are texts that go wrong easily.
var oddities = [...]string{
	"two\nlines\r\nand a tab\t", "nul \x00 in the middle", "\x00", "quotes \" and \\ and </script>", "日本語 Ελληνικά עברית",
	"👩‍👩‍👧‍👦 and \u2028 and \ufeff", "e\u0301 is not é", " ", "\x01\x1f\x7f", "{\"type\":\"SendMessage\"}", "'; DROP TABLE chat_messages; --", "null", "\u0000\n\u0000",
}

// chatLog writes n lines, some of them odd, one of them of 64 KiB, and some empty, which are returned.
func chatLog(t *testing.T, seed uint64, n int) (path string, lines []said, empty []int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for i := range n {
		l := said{
			Room: []string{"zig", "work", "odd room/名"}[random.IntN(3)], User: fmt.Sprintf("user %d é", random.IntN(14)),
			TS: 1_700_000_000_000 + int64(i)*250, Text: strings.Repeat("word ", 1+random.IntN(20)) + fmt.Sprint(i),
		}
		switch {
		case i%500 == 77:
			l.Text = ""
			empty = append(empty, i+1)
		case i%11 == 3:
			l.Text = oddities[random.IntN(len(oddities))]
		case i%1000 == 500:
			l.Text = strings.Repeat("é\x00", 65536/3) + "x" // exactly MAX_MESSAGE_BYTES
		}
		if err := enc.Encode(l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	path = filepath.Join(t.TempDir(), "chat.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, lines, empty
}

// receive starts a receiver of callbacks and returns the settings that send every stream to it, at once.
func receive(t *testing.T) (*load.Receiver, []string) {
	t.Helper()
	r, err := load.NewReceiver(secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, []string{
		"CALLBACK_SIGNING_SECRETS=" + secret, "CALLBACK_START=earliest", "USER_MESSAGE_RATE_PER_SECOND=0", "LOG_LEVEL=info",
		"ROOM_EVENT_CALLBACK_URL=" + server.URL + "/room", "CHAT_HISTORY_CALLBACK_URL=" + server.URL + "/chat",
		"SESSION_HISTORY_CALLBACK_URL=" + server.URL + "/session", "PERIODIC_SYNC_CALLBACK_URL=" + server.URL + "/periodic",
		"DATA_CALLBACK_URL=" + server.URL + "/data", "SYNC_INTERVAL_SECONDS=2",
		"CHAT_HISTORY_BATCH_INTERVAL_SECONDS=1", "SESSION_HISTORY_BATCH_INTERVAL_SECONDS=1",
	}
}

// onKafka are the settings for the Apache Kafka of this test run, or none.
func onKafka(t *testing.T) []string {
	if !testkit.KafkaIsApache() {
		return nil
	}
	return []string{"KAFKA_BROKERS=" + testkit.Kafka(t), "KAFKA_TOPIC_PREFIX=" + testkit.Prefix(t)}
}

// player is a run of load against an up.
func player(u *upproc.Up, file string, r *load.Receiver) load.Config {
	return load.Config{
		URL: u.URL, APIKey: u.APIKey, File: file, Members: 5, RoomPrefix: load.NewPrefix(), Receiver: r,
		Settle: 40 * time.Second, Grace: 200 * time.Millisecond,
	}
}

// play runs the load to its end and shows the ledger if it does not hold.
func play(t *testing.T, u *upproc.Up, cfg load.Config) *load.Ledger {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	l, err := load.Run(ctx, cfg, testkit.Log(t))
	if err != nil {
		t.Fatalf("load: %v\n%s", err, u.Output())
	}
	holds(t, u, l)
	return l
}

func holds(t *testing.T, u *upproc.Up, l *load.Ledger) {
	t.Helper()
	var text strings.Builder
	l.Print(&text)
	if l.Holds() {
		t.Log(text.String())
	} else {
		t.Fatalf("%s\n%s", text.String(), u.Output())
	}
}

// acks remembers what a run was told.
type acks struct {
	mu   sync.Mutex
	told map[string]uint64 // seq by room and line
	stop int
	full chan struct{} // closed at the stop-th
}

func newAcks(stop int) *acks {
	return &acks{told: map[string]uint64{}, stop: stop, full: make(chan struct{})}
}

func (a *acks) add(room string, line int, seq uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told[fmt.Sprintf("%s L%d", room, line)] = seq
	if len(a.told) == a.stop {
		close(a.full)
	}
}

// sql asks the embedded database with the binary, as an analyst does.
func sql(t *testing.T, u *upproc.Up, statement string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), upproc.Binary(t), "sql", statement)
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "DATA_DIR="+u.DataDir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("splitsync sql %s: %v\n%s", statement, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// call sends a request to the management API.
func call(t *testing.T, u *upproc.Up, method, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", u.APIKey)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
