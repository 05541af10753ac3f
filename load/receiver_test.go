package load

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const testSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// post sends a callback signed by the reference library and returns the status.
func post(t *testing.T, r *Receiver, id, body string, change func(http.Header)) int {
	t.Helper()
	signer, err := standardwebhooks.NewWebhook(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	signature, err := signer.Sign(id, now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", "v1,b3RoZXI= "+signature)
	if change != nil {
		change(req.Header)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w.Code
}

func newTestReceiver(t *testing.T) *Receiver {
	t.Helper()
	r, err := NewReceiver(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const chatBody = `{"event_type":"chat_history_batch","event_id":"b1","room_id":"p-r","messages":[` +
	`{"user_id":"u","content":"x","message_id":"m","seq":9,"client_msg_id":"L4","created_at_ms":3},` +
	`{"user_id":"u","content":"y","message_id":"n","seq":10,"client_msg_id":"L5","created_at_ms":4}]}`

func TestReceiverTakesEachCallbackOnce(t *testing.T) {
	r := newTestReceiver(t)
	for range 2 {
		if code := post(t, r, "b1", chatBody, nil); code != http.StatusOK {
			t.Fatal(code)
		}
	}
	post(t, r, "j1", `{"event_type":"user_joined","room_id":"p-r","session_id":"s"}`, nil)
	post(t, r, "l1", `{"event_type":"user_left","room_id":"p-r","session_id":"s"}`, nil)
	post(t, r, "s1", `{"event_type":"session_history_batch","room_id":"p-r","sessions":[{"session_id":"s"}]}`, nil)
	post(t, r, "d1", `{"room_id":"p-r","chat_history":[]}`, nil)
	joined, left, batched := r.sessionCounts("p-")
	if r.count("p-r") != 2 || r.total("p-") != 2 || r.Repeats() != 1 || joined+left+batched != 3 || r.Counts()["legacy"] != 1 {
		t.Errorf("messages %d, repeats %d, sessions %d %d %d, counts %v", r.count("p-r"), r.Repeats(), joined, left, batched, r.Counts())
	}
	if r.missingSessions(map[string]bool{"s": true}) != 0 || r.missingSessions(map[string]bool{"other": true}) != 1 {
		t.Error("wrong missing sessions")
	}
	if f := r.faultList(); len(f) != 0 {
		t.Errorf("faults %v", f)
	}
	if m := r.marks("p-r"); m[0].line != 4 || m[1].seq != 10 {
		t.Errorf("marks %+v", m)
	}
}

func TestReceiverFindsBadCallbacks(t *testing.T) {
	set := func(key, value string) func(http.Header) {
		return func(h http.Header) { h.Set(key, value) }
	}
	old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	for name, change := range map[string]func(http.Header){
		"no id": set("webhook-id", ""), "another id": set("webhook-id", "x"), "no signature": set("webhook-signature", ""),
		"another signature": set("webhook-signature", "v1,AAAA"), "another time": set("webhook-timestamp", "1"), "old": set("webhook-timestamp", old),
	} {
		r := newTestReceiver(t)
		if code := post(t, r, "b1", chatBody, change); code != http.StatusBadRequest || len(r.faultList()) != 1 || r.count("p-r") != 0 {
			t.Errorf("%s: status %d, faults %v", name, code, r.faultList())
		}
	}
	r := newTestReceiver(t)
	post(t, r, "b1", chatBody, nil)
	post(t, r, "b1", strings.Replace(chatBody, `"x"`, `"z"`, 1), nil)
	if f := r.faultList(); len(f) != 1 || !strings.Contains(f[0], "two bodies") {
		t.Errorf("two bodies under one id: faults %v", f)
	}
	if post(t, r, "b2", "no json", nil) != http.StatusBadRequest {
		t.Error("a body that is no JSON is taken")
	}
	if _, err := NewReceiver("hunter2"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("bad secret: %v", err)
	}
}

func TestReceiverGoesOnAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept")
	r := newTestReceiver(t)
	if err := r.Keep(path); err != nil {
		t.Fatal(err)
	}
	post(t, r, "b1", chatBody, nil)
	post(t, r, "j1", `{"event_type":"user_joined","room_id":"p-r","session_id":"s"}`, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) { // a kill in the middle of a write
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		r := newTestReceiver(t)
		if err := r.Keep(path); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		post(t, r, "b1", chatBody, nil)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		again := newTestReceiver(t)
		if err := again.Keep(path); err != nil || again.count("p-r") != 2 || again.Close() != nil {
			t.Fatalf("cut at %d: %d messages, %v", cut, again.count("p-r"), err)
		}
	}
}
