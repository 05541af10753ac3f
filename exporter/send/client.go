// Package send makes one HTTP request of a callback: headers, signature, timeouts, and what the answer means. It never follows a
// redirect, reads answers only to a bound, and puts no secret and no body into an error.
package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// maxAnswer is how much of an answer's body is read, so that its connection can be used again.
const maxAnswer = 64 << 10

// Options are what all requests of a stream have in common.
type Options struct {
	URL         string
	Timeout     time.Duration     // of a whole request
	Headers     map[string]string // static ones; they win over ours except those that name and sign a delivery
	Keys        [][]byte          // signing keys; none = no signature
	UserAgent   string
	Connections int // idle connections kept
}

// Body is the content of a request. Open may be called many times, and gives the same bytes each time.
type Body interface {
	Open() (io.ReadCloser, error)
	Size() int64
}

// Bytes is a Body in memory.
type Bytes []byte

// Open returns a reader of all bytes.
func (b Bytes) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }

// Size is the number of bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Request is one attempt at a delivery.
type Request struct {
	ID      string
	Attempt int // 1 is the first
	Body    Body
}

// Result is what came of a request.
type Result struct {
	Outcome    Outcome
	Status     int           // 0 without an answer
	Reason     string        // short: "status 500", "timeout"; no address, no text of the receiver
	RetryAfter time.Duration // what the receiver asked for, else 0
	Took       time.Duration
}

// Client sends the callbacks of one stream. It is safe for concurrent use.
type Client struct {
	opt       Options
	http      *http.Client
	transport *http.Transport
}

// CheckURL fails for what is no http or https URL with a host. The error does not repeat the URL: it may hold a token.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return errors.New("must be an http or https URL")
	}
	return nil
}

// New returns a client; it opens nothing. It fails if the URL cannot be one.
func New(opt Options) (*Client, error) {
	if err := CheckURL(opt.URL); err != nil {
		return nil, fmt.Errorf("callback URL: %w", err)
	}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: min(opt.Timeout, 10*time.Second), KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    min(opt.Timeout, 10*time.Second),
		MaxIdleConns:           opt.Connections,
		MaxIdleConnsPerHost:    opt.Connections,
		MaxResponseHeaderBytes: maxAnswer,
		IdleConnTimeout:        60 * time.Second,
		DisableCompression:     true, // answers are not looked at
		ForceAttemptHTTP2:      true,
	}
	c := &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &Client{opt: opt, http: c, transport: t}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Do makes one request and waits for its answer, at most the timeout. It does not retry.
func (c *Client) Do(ctx context.Context, r Request) Result {
	start := time.Now()
	res := c.do(ctx, r, start)
	res.Took = time.Since(start)
	return res
}

func (c *Client) do(ctx context.Context, r Request, now time.Time) Result {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	defer cancel()
	req, err := c.request(ctx, r, now)
	if err != nil {
		return Result{Outcome: Transient, Reason: "body"}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		o, reason := OfError(err)
		return Result{Outcome: o, Reason: reason}
	}
	// A 2xx counts from its header on; the rest is read so that the connection can serve again.
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	_ = resp.Body.Close()
	res := Result{Outcome: OfStatus(resp.StatusCode), Status: resp.StatusCode}
	if res.Outcome != OK {
		res.Reason = "status " + strconv.Itoa(resp.StatusCode)
		res.RetryAfter = RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return res
}

func (c *Client) request(ctx context.Context, r Request, now time.Time) (*http.Request, error) {
	body, err := r.Body.Open()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.opt.URL, body)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	req.ContentLength = r.Body.Size()
	req.GetBody = r.Body.Open
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", c.opt.UserAgent)
	for k, v := range c.opt.Headers {
		h.Set(k, v)
	}
	h.Set(standardwebhooks.HeaderWebhookID, r.ID)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set("Idempotency-Key", r.ID)
	h.Set("X-Delivery-Attempt", strconv.Itoa(r.Attempt))
	if err := c.sign(h, r, now.Unix()); err != nil {
		_ = body.Close()
		return nil, err
	}
	return req, nil
}

func (c *Client) sign(h http.Header, r Request, unix int64) error {
	if len(c.opt.Keys) == 0 {
		return nil
	}
	body, err := r.Body.Open()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	sig, err := Sign(c.opt.Keys, r.ID, unix, body)
	if err != nil {
		return err
	}
	h.Set(standardwebhooks.HeaderWebhookSignature, sig)
	return nil
}
