package kafkalog

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"splitsync/event"
)

// emptied is a broker with a topic of ten offsets in which compaction left nothing; it answers at once.
type emptied struct{ fetches atomic.Int64 }

// RoundTrip answers ListOffsets and Fetch.
func (b *emptied) RoundTrip(_ context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	const start, end = 0, 10
	switch r := req.(type) {
	case *listoffsets.Request:
		p := r.Topics[0].Partitions[0]
		at := int64(start)
		if p.Timestamp == kafka.LastOffset {
			at = end
		}
		return &listoffsets.Response{Topics: []listoffsets.ResponseTopic{{
			Topic: r.Topics[0].Topic, Partitions: []listoffsets.ResponsePartition{{Timestamp: p.Timestamp, Offset: at}},
		}}}, nil
	case *fetch.Request:
		b.fetches.Add(1)
		return &fetch.Response{Topics: []fetch.ResponseTopic{{Partitions: []fetch.ResponsePartition{{HighWatermark: end}}}}}, nil
	}
	return nil, fmt.Errorf("unexpected %T", req)
}

// A table whose last records were compacted away is ready all the same, and does not ask without a pause.
func TestTableIsReadyBeforeACompactedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(emptied)
		l := &Log{log: slog.New(slog.DiscardHandler), client: &kafka.Client{Addr: kafka.TCP("model:1"), Transport: b}}
		table := l.OpenTable(event.Rooms, func(Record) { t.Error("applied a record that is not there") })
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- table.Run(ctx) }()
		select {
		case <-table.Ready():
		case <-time.After(5 * time.Second):
			t.Error("not ready")
		}
		_ = sleep(t.Context(), 10*time.Second)
		if n := b.fetches.Load(); n > 40 {
			t.Errorf("%d fetches in some 10 s", n)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
