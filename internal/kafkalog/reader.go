package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"splitsync/event"
)

// Positions that OpenTail and OpenReader take beside offsets.
const (
	Start int64 = -2 // the first record that the log still has
	End   int64 = -1 // behind the last record
)

const (
	fetchBytes = 4 << 20
	fetchWait  = 500 * time.Millisecond
)

// OvertakenError tells that the log no longer has what comes next: records From up to, not including, To were deleted by retention, or
// their facts depend on deleted ones. The caller records the range and opens a new reader at To.
type OvertakenError struct {
	Topic     event.Topic
	Partition int
	From, To  int64
}

// Error names the range.
func (e *OvertakenError) Error() string {
	return fmt.Sprintf("retention overtook %s/%d: offsets %d to %d are gone", e.Topic, e.Partition, e.From, e.To-1)
}

// ErrTruncated tells that a position lies behind the end of the log: the topic was created anew or lost records.
var ErrTruncated = errors.New("position is behind the end of the log")

// Reader reads one partition from an offset on, by long polls, without a consumer group. It is for one goroutine.
type Reader struct {
	log       *Log
	topic     event.Topic
	partition int
	next      int64
	end       int64 // high watermark of the last answer
	maxWait   time.Duration
}

// OpenReader returns a reader that starts at an offset (or Start, End). It sends nothing yet.
func (l *Log) OpenReader(topic event.Topic, partition int, from int64) *Reader {
	return &Reader{log: l, topic: topic, partition: partition, next: from, maxWait: fetchWait}
}

// Position returns the offset of the next record to be read.
func (r *Reader) Position() int64 { return r.next }

// HighWatermark returns the end of the log as of the last answer.
func (r *Reader) HighWatermark() int64 { return r.end }

// Next waits for records and returns them in offset order, at least one. Brokers that do not answer are asked again until ctx ends. It
// fails with *OvertakenError, ErrTruncated, ctx's error, or what cannot be mended by asking again.
func (r *Reader) Next(ctx context.Context) ([]Record, error) {
	for {
		records, err := r.Poll(ctx)
		if err != nil || len(records) > 0 {
			return records, err
		}
	}
}

// Poll is Next with one long poll of at most half a second: it may return no records.
func (r *Reader) Poll(ctx context.Context) ([]Record, error) {
	if err := r.resolve(ctx); err != nil {
		return nil, err
	}
	var records []Record
	asked := time.Now()
	err := r.log.retry(ctx, "fetch", func(ctx context.Context) (err error) {
		records, err = r.fetch(ctx)
		return err
	})
	switch {
	case err == nil && len(records) == 0 && r.end > r.next:
		// What compaction emptied is answered at once, again and again: keep the pace of a long poll.
		return nil, sleep(ctx, r.maxWait-time.Since(asked))
	case err == nil:
		return records, nil
	case errors.Is(err, kafka.OffsetOutOfRange):
		return nil, r.outOfRange(ctx)
	}
	return nil, fmt.Errorf("fetch %s/%d at %d: %w", r.topic, r.partition, r.next, err)
}

// resolve turns Start and End into offsets.
func (r *Reader) resolve(ctx context.Context) error {
	if r.next >= 0 {
		return nil
	}
	start, end, err := r.log.Offsets(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	if r.next == Start {
		r.next = start
	} else {
		r.next = end
	}
	return nil
}

func (r *Reader) outOfRange(ctx context.Context) error {
	start, end, err := r.log.Offsets(ctx, r.topic, r.partition)
	if err != nil {
		return err
	}
	if r.next < start {
		return &OvertakenError{r.topic, r.partition, r.next, start}
	}
	return fmt.Errorf("read %s/%d at %d, log ends at %d: %w", r.topic, r.partition, r.next, end, ErrTruncated)
}

func (r *Reader) fetch(ctx context.Context) ([]Record, error) {
	res, err := r.log.client.Fetch(ctx, &kafka.FetchRequest{
		Topic: r.log.topic(r.topic), Partition: r.partition, Offset: r.next, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: r.maxWait,
	})
	if err != nil {
		return nil, err
	}
	if res.Error != nil {
		return nil, res.Error
	}
	if res.LogStartOffset > r.next { // a broker may skip deleted records silently
		return nil, kafka.OffsetOutOfRange
	}
	r.end = res.HighWatermark
	return r.take(res.Records)
}

func (r *Reader) take(in kafka.RecordReader) ([]Record, error) {
	var out []Record
	for {
		rec, err := in.ReadRecord()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			if len(out) > 0 { // what was read is whole; the rest comes with the next fetch
				return out, nil
			}
			return nil, err
		}
		if rec.Offset < r.next { // a batch may begin before the offset asked for
			continue
		}
		mine, err := r.own(rec)
		if err != nil {
			return nil, err
		}
		out = append(out, mine)
		r.next = rec.Offset + 1
	}
}

func (r *Reader) own(rec *kafka.Record) (Record, error) {
	key, err := protocol.ReadAll(rec.Key)
	if err != nil {
		return Record{}, fmt.Errorf("read key: %w", err)
	}
	value, err := protocol.ReadAll(rec.Value)
	if err != nil {
		return Record{}, fmt.Errorf("read value: %w", err)
	}
	out := Record{Topic: r.topic, Partition: r.partition, Offset: rec.Offset, Time: rec.Time.UnixMilli(), Key: key, Value: value}
	if len(rec.Headers) > 0 {
		out.Headers = make([]Header, len(rec.Headers))
		for i, h := range rec.Headers {
			out.Headers[i] = Header{h.Key, append([]byte(nil), h.Value...)}
		}
	}
	return out, nil
}
