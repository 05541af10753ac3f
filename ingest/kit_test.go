package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// fixture is a log and a history of its own, with producers for both topics.
type fixture struct {
	t        testing.TB
	log      *kafkalog.Log
	store    *history.Store
	click    *testkit.Server
	chat     *kafkalog.Producer
	sessions *kafkalog.Producer
}

const testDatabase = "splitsync"

func newFixture(t testing.TB, partitions int) *fixture {
	t.Helper()
	return newFixtureOn(t, kafkalog.Config{Brokers: []string{testkit.Kafka(t)}, TopicPrefix: testkit.Prefix(t),
		Partitions: partitions, ReplicationFactor: 1, RetentionHours: 168})
}

func newFixtureOn(t testing.TB, cfg kafkalog.Config) *fixture {
	t.Helper()
	f := &fixture{t: t, click: testkit.FreshClickHouse(t)}
	var err error
	f.log, err = kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.log.Close() })
	if err := f.log.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.store, err = history.Open(t.Context(), history.Config{Addr: []string{f.click.Addr()}, Database: testDatabase, Username: "default"}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	if err := f.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.chat, f.sessions = f.producer(event.Chat), f.producer(event.Sessions)
	return f
}

func (f *fixture) producer(topic event.Topic) *kafkalog.Producer {
	f.t.Helper()
	p, err := f.log.NewProducer(f.t.Context(), topic)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			f.t.Error(err)
		}
	})
	return p
}

// running is an ingest that works.
type running struct {
	*Server
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
}

// ingest starts one; it stops at the latest with the test.
func (f *fixture) ingest(change func(*Settings), deps ...func(*Server)) *running {
	f.t.Helper()
	cfg := Config{Settings: Settings{FlushIntervalMS: 20}}
	if change != nil {
		change(&cfg.Settings)
	}
	s, err := New(f.t.Context(), cfg, Deps{Log: f.log, History: f.store}, testkit.Log(f.t))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range deps {
		d(s)
	}
	r := &running{Server: s, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(f.t.Context())
	r.cancel = cancel
	go func() { r.ended <- s.Run(ctx) }()
	f.t.Cleanup(func() { f.stop(r) })
	return r
}

func (f *fixture) stop(r *running) {
	r.once.Do(func() {
		r.cancel()
		select {
		case err := <-r.ended:
			if err != nil {
				f.t.Errorf("ingest ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			f.t.Error("ingest did not end within 20 s")
		}
	})
}

// append puts events into the log, in order, many at once.
func (f *fixture) append(events ...event.Event) {
	f.t.Helper()
	var wg sync.WaitGroup
	for _, e := range events {
		rec, err := kafkalog.Encode(e, 0)
		if err != nil {
			f.t.Fatal(err)
		}
		p := f.chat
		if topicOf(e.Kind()) == event.Sessions {
			p = f.sessions
		}
		wg.Add(1)
		done := func(_ int64, err error) {
			defer wg.Done()
			if err != nil {
				f.t.Error(err)
			}
		}
		testkit.Eventually(f.t, 20*time.Second, func() error { // room in the queue comes with time
			err := p.Send(f.log.PartitionOf(e.Room()), rec, done)
			if err != nil && !errors.Is(err, kafkalog.ErrQueueFull) {
				f.t.Fatal(err)
			}
			return err
		})
	}
	wg.Wait()
}

// raw puts bytes into the room's partition of chat.
func (f *fixture) raw(room, value string) {
	f.t.Helper()
	if _, err := f.chat.Append(f.t.Context(), f.log.PartitionOf(room), kafkalog.Outgoing{Key: []byte(room), Value: []byte(value)}); err != nil {
		f.t.Fatal(err)
	}
}

// query asks the database of the test.
func (f *fixture) query(sql string) string {
	f.t.Helper()
	return strings.TrimSpace(f.click.Query(strings.ReplaceAll(sql, "$", testDatabase+".")))
}

func (f *fixture) number(sql string) int64 {
	f.t.Helper()
	n, err := strconv.ParseInt(f.query(sql), 10, 64)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// waitCommitted waits until everything in the log has been committed by the group.
func (f *fixture) waitCommitted(timeout time.Duration) {
	f.t.Helper()
	testkit.Eventually(f.t, timeout, func() error {
		for _, topic := range topics() {
			commits, err := f.log.Committed(f.t.Context(), Group, topic)
			if err != nil {
				return err
			}
			for p, offset := range commits {
				_, end, err := f.log.Offsets(f.t.Context(), topic, p)
				if err != nil {
					return err
				}
				if end > max(0, offset) {
					return fmt.Errorf("%s/%d is committed up to %d of %d", topic, p, offset, end)
				}
			}
		}
		return nil
	})
}

// letters returns the dead letters of all partitions by their keys.
func (f *fixture) letters() map[string]kafkalog.Record {
	f.t.Helper()
	out := map[string]kafkalog.Record{}
	for p := range f.log.PartitionsOf(event.IngestDeadLetters) {
		_, end, err := f.log.Offsets(f.t.Context(), event.IngestDeadLetters, p)
		if err != nil {
			f.t.Fatal(err)
		}
		for r := f.log.OpenReader(event.IngestDeadLetters, p, 0); r.Position() < end; {
			records, err := r.Next(f.t.Context())
			if err != nil {
				f.t.Fatal(err)
			}
			for _, rec := range records {
				out[string(rec.Key)] = rec
			}
		}
	}
	return out
}

// value reads a counter.
func value(t testing.TB, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue()
}

func say(room, user, id, content string) *event.Message {
	return &event.Message{RoomID: room, UserID: user, Nickname: user, Content: content, ClientMsgID: id}
}
