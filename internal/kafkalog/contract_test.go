package kafkalog_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// open returns a migrated log of its own on the test broker.
func open(t testing.TB, partitions int) (*kafkalog.Log, kafkalog.Config) {
	t.Helper()
	return openAt(t, testkit.Kafka(t), partitions)
}

func openAt(t testing.TB, addr string, partitions int) (*kafkalog.Log, kafkalog.Config) {
	t.Helper()
	cfg := kafkalog.Config{Brokers: []string{addr}, TopicPrefix: testkit.Prefix(t), Partitions: partitions, ReplicationFactor: 1, RetentionHours: 168}
	l, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, cfg
}

func producer(t testing.TB, l *kafkalog.Log, topic event.Topic) *kafkalog.Producer {
	t.Helper()
	p, err := l.NewProducer(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return p
}

func message(room, user, id, content string) *event.Message {
	return &event.Message{RoomID: room, UserID: user, Nickname: user, Content: content, ClientMsgID: id}
}

func appendEvent(t testing.TB, p *kafkalog.Producer, e event.Event, ms int64) int64 {
	t.Helper()
	offset, err := p.AppendEvent(t.Context(), e, ms)
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

func readAll(t testing.TB, tail *kafkalog.Tail, n int) []kafkalog.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []kafkalog.Entry
	for len(all) < n {
		entries, err := tail.Next(ctx)
		if err != nil {
			t.Fatalf("after %d of %d entries: %v", len(all), n, err)
		}
		all = append(all, entries...)
	}
	return all
}

func TestMigrateTwiceAndCheck(t *testing.T) {
	l, cfg := open(t, 3)
	if err := l.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := kafkalog.Meta{Epoch: 1, Partitions: 3, Window: kafkalog.Window{Seconds: 120, Records: 262144}}
	if l.Meta() != want {
		t.Fatalf("meta %+v, want %+v", l.Meta(), want)
	}
	cfg.TopicPrefix += "other."
	other, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := other.Check(ctx); err == nil {
		t.Fatal("a log that was never set up passed the check")
	}
}

func TestAppendThenTailInOrder(t *testing.T) {
	l, _ := open(t, 3)
	p := producer(t, l, event.Chat)
	const n = 5000
	part := l.PartitionOf("room")
	offsets := make([]int64, n)
	var wg sync.WaitGroup
	for i := range n {
		r, err := kafkalog.Encode(message("room", "ann", fmt.Sprint(i), fmt.Sprintf("text %d", i)), 0)
		if err != nil {
			t.Fatal(err)
		}
		wg.Add(1)
		err = p.Send(part, r, func(offset int64, err error) {
			defer wg.Done()
			if err != nil {
				t.Errorf("record %d: %v", i, err)
			}
			offsets[i] = offset
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	tail, err := l.OpenTail(t.Context(), event.Chat, part, kafkalog.Start)
	if err != nil {
		t.Fatal(err)
	}
	last := kafkalog.Entry{}
	for i, e := range readAll(t, tail, n) {
		m, ok := e.Event.(*event.Message)
		if !ok || m.Content != fmt.Sprintf("text %d", i) || e.Offset != offsets[i] || e.Duplicate {
			t.Fatalf("entry %d: %+v, event %+v, acked offset %d", i, e.Facts, e.Event, offsets[i])
		}
		if i > 0 && (e.Seq <= last.Seq || e.CreatedAt < last.CreatedAt || e.MessageID == last.MessageID) {
			t.Fatalf("entry %d does not follow its predecessor: %+v after %+v", i, e.Facts, last.Facts)
		}
		last = e
	}
}

// Every reader computes the same facts, wherever it starts, also with clocks that jump and chains of retries.
func TestFactsDoNotDependOnTheStart(t *testing.T) {
	l, _ := open(t, 1)
	p := producer(t, l, event.Chat)
	base := time.Now().Add(-time.Hour).UnixMilli()
	steps := []struct {
		at int64
		id string
	}{{0, "a"}, {5000, "b"}, {1000, "a"}, {60_000, "c"}, {100_000, "a"}, {125_000, "b"}, {125_001, "b"}, {90_000, "a"}, {219_000, "a"}, {338_000, "a"}, {500_000, "a"}, {500_000, ""}, {400_000, ""}}
	for _, s := range steps {
		appendEvent(t, p, message("room", "ann", s.id, "x"), base+s.at)
	}
	whole, err := l.OpenTail(t.Context(), event.Chat, 0, kafkalog.Start)
	if err != nil {
		t.Fatal(err)
	}
	want := readAll(t, whole, len(steps))
	duplicates := []bool{false, false, true, false, true, true, true, true, true, true, false, false, false}
	for i := range want {
		if want[i].Duplicate != duplicates[i] {
			t.Errorf("record %d: duplicate %v, want %v", i, want[i].Duplicate, duplicates[i])
		}
	}
	if want[9].FirstSeq != want[0].Seq || want[9].FirstCreatedAt != want[0].CreatedAt {
		t.Errorf("chain of retries: first is %d, want %d", want[9].FirstSeq, want[0].Seq)
	}
	for from := range steps {
		tail, err := l.OpenTail(t.Context(), event.Chat, 0, int64(from))
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range readAll(t, tail, len(steps)-from) {
			got, err := tail.ResolveFirst(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			if got != want[from+i].Facts {
				t.Errorf("from %d, record %d: %+v, want %+v", from, from+i, got, want[from+i].Facts)
			}
		}
	}
}

func TestUndecodableRecordsKeepTheirPlace(t *testing.T) {
	l, _ := open(t, 1)
	p := producer(t, l, event.Chat)
	for _, v := range []string{"", "no json", `{"v":1,"type":"unheard_of"}`, `{"v":9,"type":"message"}`, `{"v":1,"type":"message","room_id":7}`} {
		if _, err := p.Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte("room"), Value: []byte(v)}); err != nil {
			t.Fatal(err)
		}
	}
	tail, err := l.OpenTail(t.Context(), event.Chat, 0, kafkalog.Start)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range readAll(t, tail, 5) {
		if e.Err == nil || e.Event != nil || e.Offset != int64(i) || e.Seq == 0 {
			t.Errorf("record %d: %+v %v", i, e.Facts, e.Err)
		}
	}
}

// Several processes that set up one log at once agree on it.
func TestMigrateByManyAtOnce(t *testing.T) {
	addr, prefix := testkit.Kafka(t), testkit.Prefix(t)
	metas := make([]kafkalog.Meta, 4)
	var wg sync.WaitGroup
	for i := range metas {
		wg.Go(func() {
			cfg := kafkalog.Config{Brokers: []string{addr}, TopicPrefix: prefix, Partitions: 2, ReplicationFactor: 1, RetentionHours: 168}
			l, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			if err := l.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			metas[i] = l.Meta()
		})
	}
	wg.Wait()
	for _, m := range metas {
		if m != metas[0] || m.Partitions != 2 {
			t.Errorf("meta %+v and %+v", m, metas[0])
		}
	}
}
