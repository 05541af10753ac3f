package rooms_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const soon = 10 * time.Second

func open(t testing.TB) *kafkalog.Log {
	t.Helper()
	cfg := kafkalog.Config{Brokers: []string{testkit.Kafka(t)}, TopicPrefix: testkit.Prefix(t), Partitions: 2, ReplicationFactor: 1, RetentionHours: 168}
	l, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// follow runs a projection until the test ends and waits until it is ready.
func follow(t testing.TB, p interface {
	Run(context.Context) error
	Ready() <-chan struct{}
}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-p.Ready():
	case <-time.After(soon):
		t.Fatal("not ready")
	}
}

func TestAWriterReadsItsOwnWriteAndOthersFollow(t *testing.T) {
	l := open(t)
	own, other := rooms.Open(l), rooms.Open(l)
	var heard []event.Aspect
	own.OnChange(func(r rooms.Register) { heard = append(heard, r.Key.Aspect) })
	follow(t, own)
	follow(t, other)
	w, err := rooms.OpenWriter(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	created := kafkalog.Entry{Facts: kafkalog.Facts{Seq: 7, CreatedAt: 1000}, Event: &event.RoomCreated{RoomID: "r", RoomName: "R"}}
	offset, err := w.Put(t.Context(), rooms.Project(created)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.WaitFor(t.Context(), offset); err != nil {
		t.Fatal(err)
	}
	if r, ok := own.Get("r"); !ok || r.Name != "R" || len(heard) != 2 {
		t.Errorf("own write: %+v %v, heard %v", r, ok, heard)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if _, ok := other.WaitRoom(ctx, "r"); !ok {
		t.Error("the other reader never saw the room")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, ok := other.WaitRoom(ctx, "nowhere"); ok {
		t.Error("a room that is nowhere")
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	late := rooms.Open(l)
	follow(t, late)
	if _, ok := late.Get("r"); !ok {
		t.Error("a reader is ready before it has read everything")
	}
}

func TestReporterIsSeenAndEnds(t *testing.T) {
	l := open(t)
	p := rooms.OpenPresence(l)
	follow(t, p)
	r, err := rooms.OpenReporter(t.Context(), l, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	r.Begin("1-0")
	r.Set("room", 2)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	count := func(want int64) {
		t.Helper()
		testkit.Eventually(t, soon, func() error {
			if got := p.Count("room", ""); got != want {
				return fmt.Errorf("count %d, want %d", got, want)
			}
			return nil
		})
	}
	count(2)
	r.Set("room", 3)
	count(3)
	if err := r.Probe(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := r.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	count(0)
	testkit.Eventually(t, soon, func() error {
		if live := p.Live(); len(live) != 0 {
			return fmt.Errorf("live %v", live)
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
