package exporter

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

const testSecret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// rig is one log with what tests put into it.
type rig struct {
	t        *testing.T
	cfg      kafkalog.Config
	log      *kafkalog.Log
	chat     *kafkalog.Producer
	sessions *kafkalog.Producer
	history  *history.Store
}

func newRig(t *testing.T, partitions int) *rig {
	t.Helper()
	return newRigOn(t, kafkalog.Config{
		Brokers: []string{testkit.Kafka(t)}, TopicPrefix: testkit.Prefix(t), Partitions: partitions, ReplicationFactor: 1, RetentionHours: 168,
	})
}

func newRigOn(t *testing.T, cfg kafkalog.Config) *rig {
	t.Helper()
	r := &rig{t: t, cfg: cfg}
	r.log = r.open()
	if err := r.log.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.chat, r.sessions = r.producer(event.Chat), r.producer(event.Sessions)
	return r
}

func (r *rig) open() *kafkalog.Log {
	r.t.Helper()
	l, err := kafkalog.Open(r.t.Context(), r.cfg, testkit.Log(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = l.Close() })
	return l
}

func (r *rig) producer(topic event.Topic) *kafkalog.Producer {
	r.t.Helper()
	p, err := r.log.NewProducer(r.t.Context(), topic)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// say appends n messages to a room, numbered from first.
func (r *rig) say(room string, first, n int) {
	r.t.Helper()
	left := make(chan error, n)
	for i := range n {
		out, err := kafkalog.Encode(&event.Message{
			RoomID: room, UserID: "ann", Nickname: "Ann", Content: fmt.Sprintf("%s %d", room, first+i),
		}, 0)
		if err != nil {
			r.t.Fatal(err)
		}
		for {
			err = r.chat.Send(r.log.PartitionOf(room), out, func(_ int64, err error) { left <- err })
			if err == nil {
				break
			}
		}
	}
	for range n {
		if err := <-left; err != nil {
			r.t.Fatal(err)
		}
	}
}

// tell appends an event of the sessions log.
func (r *rig) tell(e event.Event) int64 {
	r.t.Helper()
	offset, err := r.sessions.AppendEvent(r.t.Context(), e, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return offset
}

// quick are settings that let tests see everything soon.
func quick() Callbacks {
	return Callbacks{
		ChatHistory:    ChatHistoryConfig{Size: 10, Interval: 300 * time.Millisecond},
		SessionHistory: SessionHistoryConfig{Size: 5, Interval: 300 * time.Millisecond},
		MaxRetries:     3, RetryDelay: 20 * time.Millisecond, Timeout: 5 * time.Second,
		Secrets: []string{testSecret}, Case: "snake", Start: "earliest", OnExhausted: "auto",
		MaxBodyBytes: 1 << 20, BufferBytes: 64 << 20, Concurrency: 16,
		ProbeFirst: 100 * time.Millisecond, ProbeLongest: 400 * time.Millisecond, CommitEvery: 50 * time.Millisecond, Grace: time.Second,
		Version: "test",
	}
}

// running is an exporter at work.
type running struct {
	*Exporter
	t      *testing.T
	cancel context.CancelFunc
	result chan error
	err    error
	ended  bool
}

// start runs an exporter until stop, or the end of the test.
func (r *rig) start(cfg Callbacks, fault Fault) *running {
	r.t.Helper()
	return r.startWith(cfg, fault, testkit.Log(r.t))
}

// startLogging is start with a log to look at after the end.
func (r *rig) startLogging(cfg Callbacks, to io.Writer) *running {
	r.t.Helper()
	return r.startWith(cfg, nil, slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func (r *rig) startWith(cfg Callbacks, fault Fault, to *slog.Logger) *running {
	r.t.Helper()
	log := r.open()
	if _, err := log.Check(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	deps := Deps{Kafka: log, Metrics: metrics.NewRegistry("test"), Spool: r.t.TempDir(), Fault: fault}
	if r.history != nil {
		deps.History = r.history
	}
	e, err := New(r.t.Context(), cfg, deps, to)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	run := &running{Exporter: e, t: r.t, cancel: cancel, result: make(chan error, 1)}
	go func() { run.result <- e.Run(ctx) }()
	r.t.Cleanup(func() { _ = run.stop() })
	return run
}

// stop ends the exporter and returns what Run returned.
func (r *running) stop() error {
	r.cancel()
	return r.wait()
}

// wait waits until Run has returned.
func (r *running) wait() error {
	if !r.ended {
		r.ended = true
		select {
		case r.err = <-r.result:
		case <-time.After(patience):
			r.t.Error("the exporter does not end")
		}
	}
	return r.err
}

// chatBodies decodes accepted chat batches.
func chatBodies(t *testing.T, got []testkit.Received) []event.ChatBatchBody {
	t.Helper()
	out := make([]event.ChatBatchBody, len(got))
	for i := range got {
		if err := json.Unmarshal(got[i].Body, &out[i]); err != nil {
			t.Fatalf("body %s: %v", got[i].ID, err)
		}
	}
	return out
}

// said returns the texts by room, in order of arrival at the receiver.
func said(t *testing.T, got []testkit.Received) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, b := range chatBodies(t, got) {
		for _, m := range b.Messages {
			out[b.RoomID] = append(out[b.RoomID], m.Content)
		}
	}
	return out
}

// waitSaid waits until each room has had so many messages accepted, and checks that they are all, once, in order.
func waitSaid(t *testing.T, to *testkit.Receiver, want map[string]int) {
	t.Helper()
	to.WaitFor(patience, func([]testkit.Received) error {
		got := map[string]int{}
		for room, texts := range said(t, to.Accepted()) {
			got[room] = len(texts)
		}
		for room, n := range want {
			if got[room] < n {
				return fmt.Errorf("accepted %v, want %v", got, want)
			}
		}
		return nil
	})
	got := said(t, to.Accepted())
	for room := range maps.Keys(want) {
		for i, text := range got[room] {
			if text != fmt.Sprintf("%s %d", room, i) {
				t.Fatalf("room %s: message %d is %q", room, i, text)
			}
		}
		if len(got[room]) != want[room] {
			t.Fatalf("room %s: %d messages, want %d", room, len(got[room]), want[room])
		}
	}
	if err := to.SameBytes(); err != nil {
		t.Fatal(err)
	}
}
