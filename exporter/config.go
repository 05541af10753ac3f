package exporter

import (
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
	"unicode"

	"splitsync/exporter/body"
	"splitsync/exporter/courier"
	"splitsync/exporter/send"
)

// Callbacks holds what the streams of callbacks are made of.
type Callbacks struct {
	RoomEvent      RoomEventConfig
	ChatHistory    ChatHistoryConfig
	SessionHistory SessionHistoryConfig
	PeriodicSync   PeriodicSyncConfig
	Data           DataConfig

	SyncInterval time.Duration     `env:"SYNC_INTERVAL_SECONDS" envDefault:"300" min:"0" max:"604800" help:"time between two snapshots of a room (periodic and legacy stream); 0 = only on demand, and for legacy when a room is created or closed"`
	MaxRetries   int               `env:"CALLBACK_MAX_RETRIES" envDefault:"3" min:"0" max:"100" help:"attempts at a delivery after the first"`
	RetryDelay   time.Duration     `env:"CALLBACK_RETRY_DELAY_SECONDS" envDefault:"5" min:"0" max:"3600" help:"before the first retry; then doubled, with a jitter of 20 percent"`
	Timeout      time.Duration     `env:"CALLBACK_TIMEOUT_SECONDS" envDefault:"30" min:"1" max:"600" help:"of one request"`
	Secrets      []string          `env:"CALLBACK_SIGNING_SECRETS" secret:"true" help:"whsec_ and base64, comma separated: every callback gets a signature by each (Standard Webhooks)"`
	Headers      map[string]string `env:"CALLBACK_HEADERS" secret:"true" help:"headers of every callback, name:value, comma separated"`
	Case         string            `env:"CALLBACK_EVENT_TYPE_CASE" envDefault:"snake" oneof:"snake|pascal" help:"event_type as room_created or as RoomCreated"`
	Start        string            `env:"CALLBACK_START" envDefault:"now" oneof:"now|earliest" help:"where a stream begins that is enabled for the first time"`
	OnExhausted  string            `env:"CALLBACK_ON_EXHAUSTED" envDefault:"auto" oneof:"auto|dead_letter|pause" help:"what happens to a delivery whose retries are used up: auto gives it up only if the receiver refuses its content, or others succeed meanwhile, else the stream pauses"`
	Grouping     string            `env:"CALLBACK_BATCH_GROUPING" envDefault:"room" oneof:"room" help:"what a batch holds: the records of one room (the only grouping of this version)"`
	MaxBodyBytes int               `env:"CALLBACK_MAX_BODY_BYTES" envDefault:"5242880" min:"65536" max:"1073741824" help:"bound of a batch body; one record that is bigger goes alone"`
	BufferBytes  int64             `env:"CALLBACK_BUFFER_BYTES" envDefault:"134217728" min:"1048576" help:"memory for waiting records a stream; when it is full the largest rooms are cut early, then the stream stops reading"`
	Concurrency  int               `env:"CALLBACK_CONCURRENCY" envDefault:"16" min:"1" max:"1024" help:"requests at once a stream; those of one room go one after the other"`

	// ProbeFirst and ProbeLongest are the time between two probes of a paused stream (30 s, 5 min); CommitEvery is the time between two
	// commits (1 s); Grace is how long requests may go on at the end (3 s). They are no settings; tests make them short.
	ProbeFirst, ProbeLongest, CommitEvery, Grace time.Duration
	// Version stands in the User-Agent.
	Version string
}

// RoomEventConfig is the stream of room events.
type RoomEventConfig struct {
	URL     string            `env:"ROOM_EVENT_CALLBACK_URL" secret:"true" help:"where room_created, room_closed, user_joined and user_left go, at once; empty = off"`
	Headers map[string]string `env:"ROOM_EVENT_CALLBACK_HEADERS" secret:"true" help:"headers instead of CALLBACK_HEADERS"`
	Secrets []string          `env:"ROOM_EVENT_CALLBACK_SECRETS" secret:"true" help:"secrets instead of CALLBACK_SIGNING_SECRETS"`
}

// ChatHistoryConfig is the stream of message batches.
type ChatHistoryConfig struct {
	URL      string            `env:"CHAT_HISTORY_CALLBACK_URL" secret:"true" help:"where chat_history_batch goes; empty = off"`
	Headers  map[string]string `env:"CHAT_HISTORY_CALLBACK_HEADERS" secret:"true" help:"headers instead of CALLBACK_HEADERS"`
	Secrets  []string          `env:"CHAT_HISTORY_CALLBACK_SECRETS" secret:"true" help:"secrets instead of CALLBACK_SIGNING_SECRETS"`
	Size     int               `env:"CHAT_HISTORY_BATCH_SIZE" envDefault:"1000" min:"1" max:"100000" help:"messages of a room in a batch, at most"`
	Interval time.Duration     `env:"CHAT_HISTORY_BATCH_INTERVAL_SECONDS" envDefault:"300" min:"0" max:"604800" help:"a batch leaves when its first message is so old"`
}

// SessionHistoryConfig is the stream of session batches.
type SessionHistoryConfig struct {
	URL      string            `env:"SESSION_HISTORY_CALLBACK_URL" secret:"true" help:"where session_history_batch goes; empty = off"`
	Headers  map[string]string `env:"SESSION_HISTORY_CALLBACK_HEADERS" secret:"true" help:"headers instead of CALLBACK_HEADERS"`
	Secrets  []string          `env:"SESSION_HISTORY_CALLBACK_SECRETS" secret:"true" help:"secrets instead of CALLBACK_SIGNING_SECRETS"`
	Size     int               `env:"SESSION_HISTORY_BATCH_SIZE" envDefault:"500" min:"1" max:"100000" help:"finished sessions of a room in a batch, at most"`
	Interval time.Duration     `env:"SESSION_HISTORY_BATCH_INTERVAL_SECONDS" envDefault:"600" min:"0" max:"604800" help:"a batch leaves when its first session ended so long ago"`
}

// PeriodicSyncConfig is the stream of room snapshots.
type PeriodicSyncConfig struct {
	URL     string            `env:"PERIODIC_SYNC_CALLBACK_URL" secret:"true" help:"where periodic_sync goes, every SYNC_INTERVAL_SECONDS; empty = off"`
	Headers map[string]string `env:"PERIODIC_SYNC_CALLBACK_HEADERS" secret:"true" help:"headers instead of CALLBACK_HEADERS"`
	Secrets []string          `env:"PERIODIC_SYNC_CALLBACK_SECRETS" secret:"true" help:"secrets instead of CALLBACK_SIGNING_SECRETS"`
}

// DataConfig is the stream of the old server's whole-room objects.
type DataConfig struct {
	URL        string            `env:"DATA_CALLBACK_URL" secret:"true" help:"where the whole-room object of the old server goes; empty = off"`
	Headers    map[string]string `env:"DATA_CALLBACK_HEADERS" secret:"true" help:"headers instead of CALLBACK_HEADERS"`
	Secrets    []string          `env:"DATA_CALLBACK_SECRETS" secret:"true" help:"secrets instead of CALLBACK_SIGNING_SECRETS"`
	MaxRecords int               `env:"DATA_CALLBACK_MAX_RECORDS" envDefault:"0" min:"0" help:"newest messages and sessions in the object; 0 = all of them"`
}

// NeedsHistory tells whether a stream is enabled that reads ClickHouse.
func (c *Callbacks) NeedsHistory() bool { return c.PeriodicSync.URL != "" || c.Data.URL != "" }

// endpoint is where a stream sends, as its own settings and the common ones say.
type endpoint struct {
	variable string // of the URL
	url      string
	headers  map[string]string
	secrets  []string
}

// endpoints lists every stream, also those that are off.
func (c *Callbacks) endpoints() map[Stream]endpoint {
	of := func(variable, url string, headers map[string]string, secrets []string) endpoint {
		if len(headers) == 0 {
			headers = c.Headers
		}
		if len(secrets) == 0 {
			secrets = c.Secrets
		}
		return endpoint{variable, url, headers, secrets}
	}
	return map[Stream]endpoint{
		RoomEvents: of("ROOM_EVENT_CALLBACK_URL", c.RoomEvent.URL, c.RoomEvent.Headers, c.RoomEvent.Secrets),
		Chat:       of("CHAT_HISTORY_CALLBACK_URL", c.ChatHistory.URL, c.ChatHistory.Headers, c.ChatHistory.Secrets),
		Sessions:   of("SESSION_HISTORY_CALLBACK_URL", c.SessionHistory.URL, c.SessionHistory.Headers, c.SessionHistory.Secrets),
		Periodic:   of("PERIODIC_SYNC_CALLBACK_URL", c.PeriodicSync.URL, c.PeriodicSync.Headers, c.PeriodicSync.Secrets),
		Legacy:     of("DATA_CALLBACK_URL", c.Data.URL, c.Data.Headers, c.Data.Secrets),
	}
}

// Validate checks URLs, headers and secrets, and names the variables; it never repeats their values.
func (c *Callbacks) Validate() []error {
	var errs []error
	for _, s := range Streams() {
		e := c.endpoints()[s]
		if e.url == "" {
			continue
		}
		if err := send.CheckURL(e.url); err != nil {
			errs = append(errs, fmt.Errorf("%s %w", e.variable, err))
		}
		for name, value := range e.headers {
			if err := checkHeader(name, value); err != nil {
				errs = append(errs, fmt.Errorf("headers of %s: %w", e.variable, err))
			}
		}
		if _, err := keys(e.secrets); err != nil {
			errs = append(errs, fmt.Errorf("secrets of %s: %w", e.variable, err))
		}
	}
	return errs
}

func checkHeader(name, value string) error {
	const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if name == "" || strings.Trim(name, token) != "" || strings.ContainsFunc(value, unicode.IsControl) {
		return errors.New("a name or value cannot stand in a header")
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection":
		return errors.New("the names Host, Content-Length, Transfer-Encoding and Connection cannot be set")
	}
	return nil
}

func keys(secrets []string) ([][]byte, error) {
	out := make([][]byte, 0, len(secrets))
	for _, s := range secrets {
		k, err := send.ParseSecret(s)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// courier returns what all streams' couriers are bounded by.
func (c *Callbacks) courier() courier.Config {
	return courier.Config{
		Concurrency: max(c.Concurrency, 1), Retries: c.MaxRetries, Delay: c.RetryDelay,
		Policy: courier.Policy(c.OnExhausted), Grace: orDefault(c.Grace, 3*time.Second),
	}
}

// bodyCase returns the case of event_type for new bodies.
func (c *Callbacks) bodyCase() body.Case { return body.Case(c.Case) }
