package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"splitsync/event"
)

// Bounds that Options leave at zero.
const (
	DefaultWindow     = 1024
	DefaultAckTimeout = 35 * time.Second // the server answers within 30 s
	DefaultBackoffMin = 250 * time.Millisecond
	DefaultBackoffMax = 30 * time.Second
	DefaultReadLimit  = 16 << 20
)

// retryWindow is how long after its first sending a message may be sent again: within the server's dedupe window of 120 s, with a margin.
const retryWindow = 100 * time.Second

// Options say where to connect and what to do with what comes.
type Options struct {
	URL      string // base address of the gateway, http, https, ws or wss; a path in it is kept
	Room     string
	User     string // user_id; with a Token the server takes it from there
	Nickname string // the server's default is User
	Token    string // GATEWAY_AUTH=jwt
	Header   http.Header

	// Since, when not 0, asks for the records behind that seq first. Reconnects always resume by themselves.
	Since uint64
	// History asks for that many of the newest records at the first connection.
	History int

	// Acks turns on splitsync.v1. Without it a message counts as acknowledged when it is seen in the room, one message is in flight at a
	// time, and Do is not available.
	Acks bool
	// Window bounds the unanswered commands (DefaultWindow; always 1 without Acks).
	Window int
	// AckTimeout is how long an answer may take on a live connection before the connection is given up (DefaultAckTimeout).
	AckTimeout time.Duration
	// NoReconnect makes one attempt and ends with the first connection.
	NoReconnect bool
	// BackoffMin and BackoffMax bound the full-jitter backoff (DefaultBackoffMin, DefaultBackoffMax).
	BackoffMin, BackoffMax time.Duration
	// ReadLimit bounds a frame in bytes (DefaultReadLimit).
	ReadLimit int64

	// OnEvent gets every envelope that is not the reply to a command, in order, on the reader's goroutine: while it runs, nothing more is read.
	// It must not wait for a reply and not call Close.
	OnEvent func(Event)
	// OnDown is told, on the same goroutine, why a connection ended or could not be made. Another one is tried unless the error is the
	// last (see Err).
	OnDown func(error)
}

func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = DefaultWindow
	}
	if !o.Acks {
		o.Window = 1
	}
	if o.AckTimeout <= 0 {
		o.AckTimeout = DefaultAckTimeout
	}
	if o.BackoffMin <= 0 {
		o.BackoffMin = DefaultBackoffMin
	}
	if o.BackoffMax <= 0 {
		o.BackoffMax = max(DefaultBackoffMax, o.BackoffMin)
	}
	if o.ReadLimit <= 0 {
		o.ReadLimit = DefaultReadLimit
	}
	return o
}

// address is the URL of the room without since; every fault of the options is an error here.
func (o Options) address() (*url.URL, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, errors.New("client: URL is not well formed")
	}
	switch u.Scheme {
	case "ws", "wss", "http", "https":
	default:
		return nil, fmt.Errorf("client: URL scheme %q, want http, https, ws or wss", u.Scheme)
	}
	if u.Host == "" {
		return nil, errors.New("client: URL has no host")
	}
	if err := event.CheckRoomID(o.Room); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/ws/rooms/" + o.Room
	q := u.Query()
	for key, value := range map[string]string{"user_id": o.User, "nickname": o.Nickname, "token": o.Token} {
		if value != "" {
			q.Set(key, value)
		}
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// target adds what differs from one connection to the next.
func target(base *url.URL, since uint64, resume bool, history int) string {
	u := *base
	q := u.Query()
	if resume {
		q.Set("since", strconv.FormatUint(since, 10))
	} else if history > 0 {
		q.Set("history", strconv.Itoa(history))
	}
	u.RawQuery = q.Encode()
	return u.String()
}
