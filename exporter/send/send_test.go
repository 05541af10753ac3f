package send

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretA, secretB = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="

func TestEveryStatusHasAnOutcome(t *testing.T) {
	want := map[int]Outcome{
		200: OK, 201: OK, 202: OK, 204: OK, 299: OK,
		300: Endpoint, 301: Endpoint, 302: Endpoint, 304: Endpoint, 307: Endpoint, 308: Endpoint,
		400: Payload, 401: Endpoint, 402: Transient, 403: Endpoint, 404: Endpoint, 405: Endpoint, 408: Transient, 409: Transient, 410: Endpoint,
		413: Payload, 415: Payload, 418: Transient, 422: Payload, 425: Transient, 429: Transient, 451: Transient,
		500: Transient, 501: Transient, 502: Transient, 503: Transient, 504: Transient, 599: Transient, 100: Transient, 999: Transient,
	}
	for status, o := range want {
		if got := OfStatus(status); got != o {
			t.Errorf("%d is %s, want %s", status, got, o)
		}
	}
	for status := 100; status < 600; status++ {
		if OfStatus(status).String() == "none" {
			t.Errorf("%d has no outcome", status)
		}
	}
}

func TestEveryFaultHasAnOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Outcome
	}{
		"dns":     {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x"}}, Endpoint},
		"refused": {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, Transient},
		"tls":     {x509.UnknownAuthorityError{}, Endpoint},
		"host":    {x509.HostnameError{Certificate: &x509.Certificate{}}, Endpoint},
		"timeout": {fmt.Errorf("post: %w", context.DeadlineExceeded), Transient},
		"eof":     {io.ErrUnexpectedEOF, Transient},
	} {
		if got, reason := OfError(c.err); got != c.want || reason == "" {
			t.Errorf("%s is %s (%s)", name, got, reason)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "601": MaxRetryAfter, "99999999999999999999": MaxRetryAfter,
		"-5": 0, "soon": 0, "1.5": 0,
		"Mon, 23 Nov 2026 21:00:30 GMT": 30 * time.Second,
		"Mon, 23 Nov 2026 20:00:30 GMT": 0,
		"Mon, 23 Nov 2027 21:00:30 GMT": MaxRetryAfter,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("%q is %s, want %s", value, got, want)
		}
	}
}

func client(t *testing.T, url string, change func(*Options)) *Client {
	t.Helper()
	opt := Options{URL: url, Timeout: 5 * time.Second, UserAgent: "splitsync/test", Connections: 4}
	for _, s := range []string{secretA, secretB} {
		k, err := ParseSecret(s)
		if err != nil {
			t.Fatal(err)
		}
		opt.Keys = append(opt.Keys, k)
	}
	if change != nil {
		change(&opt)
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRequestIsSignedByEverySecret(t *testing.T) {
	const id, text = "chat:1:3:lobby:1042", `{"a":"ü"}`
	var header http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	c := client(t, srv.URL, func(o *Options) {
		o.Headers = map[string]string{"Authorization": "Bearer x", "Webhook-Id": "forged", "user-agent": "mine"}
	})
	res := c.Do(t.Context(), Request{ID: id, Attempt: 3, Body: Bytes(text)})
	if res.Outcome != OK || res.Status != 200 || string(body) != text {
		t.Fatalf("%+v %s", res, body)
	}
	for _, s := range []string{secretA, secretB} {
		hook, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify(body, header); err != nil {
			t.Errorf("the official library: %v", err)
		}
	}
	for k, want := range map[string]string{
		"Webhook-Id": id, "Idempotency-Key": id, "X-Delivery-Attempt": "3", "Content-Type": "application/json",
		"Authorization": "Bearer x", "User-Agent": "mine",
	} {
		if got := header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	res := client(t, srv.URL, nil).Do(t.Context(), Request{ID: "x", Attempt: 1, Body: Bytes("{}")})
	if res.Outcome != Endpoint || asked != 1 {
		t.Errorf("%+v after %d requests", res, asked)
	}
}

func TestAnswersAreReadToABoundAndATimeout(t *testing.T) {
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/flood":
			for block := []byte(strings.Repeat("x", 1<<16)); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		case "/hang":
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}
	}))
	defer srv.Close()
	defer close(over)
	if res := client(t, srv.URL+"/flood", nil).Do(t.Context(), Request{ID: "x", Attempt: 1, Body: Bytes("{}")}); res.Outcome != OK {
		t.Errorf("flood: %+v", res)
	}
	c := client(t, srv.URL+"/hang", func(o *Options) { o.Timeout = 50 * time.Millisecond })
	if res := c.Do(t.Context(), Request{ID: "x", Attempt: 1, Body: Bytes("{}")}); res.Outcome != Transient || res.Reason != "timeout" {
		t.Errorf("hang: %+v", res)
	}
}

func TestSecretsAndURLsStayOutOfErrors(t *testing.T) {
	for _, s := range []string{"whsec_short", "whsec_MDEy", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "whsec_%%%tok%%%"} {
		if _, err := ParseSecret(s); err == nil || strings.Contains(err.Error(), s) {
			t.Errorf("secret: %v", err)
		}
	}
	for _, u := range []string{"ftp://tok@host/", "http://", "://tok", "tok"} {
		if err := CheckURL(u); err == nil || strings.Contains(err.Error(), "tok") {
			t.Errorf("url: %v", err)
		}
	}
	res := client(t, "http://127.0.0.1:1/?token=tok", nil).Do(t.Context(), Request{ID: "x", Attempt: 1, Body: Bytes("{}")})
	if res.Outcome != Transient || strings.Contains(res.Reason, "tok") {
		t.Errorf("%+v", res)
	}
}

func FuzzSignature(f *testing.F) {
	f.Add("chat:1:3:a:1", int64(1795469000), []byte("{}"))
	f.Fuzz(func(t *testing.T, id string, unix int64, body []byte) {
		key, err := ParseSecret(secretA)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Sign([][]byte{key}, id, unix, strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		hook, err := standardwebhooks.NewWebhook(secretA)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hook.Sign(id, time.Unix(unix, 0), body)
		if err != nil || got != want {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	})
}
