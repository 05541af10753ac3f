package rooms

import (
	"context"
	"fmt"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// Writer appends registers to the topic rooms. It is safe for concurrent use.
type Writer struct {
	producer *kafkalog.Producer
}

// OpenWriter gets a producer; Close gives it back. ctx bounds only the start.
func OpenWriter(ctx context.Context, l *kafkalog.Log) (*Writer, error) {
	p, err := l.NewProducer(ctx, event.Rooms)
	if err != nil {
		return nil, fmt.Errorf("open writer of rooms: %w", err)
	}
	return &Writer{p}, nil
}

// Put appends registers and returns when all are durable, with the offset of the last (-1 for none): give it to Directory.WaitFor to read
// one's own write. Writing a register again changes nothing for readers. Errors are those of kafkalog.Producer.Append.
func (w *Writer) Put(ctx context.Context, registers ...Register) (int64, error) {
	last := int64(-1)
	for _, r := range registers {
		rec, err := r.Encode()
		if err != nil {
			return last, err
		}
		offset, err := w.producer.Append(ctx, 0, rec)
		if err != nil {
			return last, fmt.Errorf("put register %s of room %s: %w", r.Key.Aspect, r.Key.Room, err)
		}
		last = offset
	}
	return last, nil
}

// Close flushes and ends the producer; when ctx ends first, what is queued is given up.
func (w *Writer) Close(ctx context.Context) error { return w.producer.Close(ctx) }
