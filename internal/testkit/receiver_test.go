package testkit_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"splitsync/internal/testkit"
)

func post(t *testing.T, ctx context.Context, url, id, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("webhook-id", id)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestReceiverAnswersByItsScript(t *testing.T) {
	r := testkit.NewReceiver(t)
	r.Script(
		testkit.Answer{Status: 503, Header: http.Header{"Retry-After": {"1"}}},
		testkit.Answer{Drop: true},
		testkit.Answer{Hang: true},
	)
	ctx := t.Context()
	if status, err := post(t, ctx, r.URL()+"/chat", "a", "1"); status != 503 {
		t.Fatal(status, err)
	}
	if status, err := post(t, ctx, r.URL(), "a", "1"); err == nil {
		t.Fatalf("dropped, but %d", status)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if status, err := post(t, short, r.URL(), "a", "1"); err == nil {
		t.Fatalf("hanging, but %d", status)
	}
	for range 2 {
		if status, err := post(t, ctx, r.URL(), "a", "1"); status != 200 {
			t.Fatal(status, err)
		}
	}
	if got := r.WaitForAccepted(time.Second, 1); len(got) != 1 || got[0].Arrival != 3 || string(got[0].Body) != "1" {
		t.Errorf("accepted %+v", got)
	}
	if got := r.Counts()["a"]; got != 5 {
		t.Errorf("a came %d times, want 5", got)
	}
	if got := r.Requests()[0]; got.Path != "/chat" || got.Answer.Status != 503 {
		t.Errorf("first request %+v", got)
	}
	if err := r.SameBytes(); err != nil {
		t.Error(err)
	}
	r.Decide(func(got testkit.Received) testkit.Answer { return testkit.Answer{Status: 413} })
	if status, err := post(t, ctx, r.URL(), "a", "2"); status != 413 {
		t.Fatal(status, err)
	}
	if err := r.SameBytes(); err == nil {
		t.Error("two bodies under one id were not seen")
	}
}
