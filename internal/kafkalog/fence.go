package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"splitsync/event"
)

// ErrNotIncarnation tells that a text is not what Producer.Incarnation returns: no producer can be fenced by it.
var ErrNotIncarnation = errors.New("not an incarnation")

// Fence ends an incarnation in one partition: it appends a record under the incarnation's producer id with the next epoch, at sequence 0.
// From then on the broker refuses whatever that producer still sends there (error 47). Repeating a fence, also from another process,
// appends nothing and returns the first one's offset, as long as r is byte for byte the same. r.Time must be set.
// Source: the epoch rule of idempotent producers, Apache Kafka KIP-360.
func (l *Log) Fence(ctx context.Context, topic event.Topic, partition int, incarnation string, r Outgoing) (int64, error) {
	var s session
	_, err := fmt.Sscanf(incarnation, "%d-%d", &s.id, &s.epoch)
	if err != nil || s.String() != incarnation || s.id < 0 || s.epoch < 0 || s.epoch == math.MaxInt16 {
		return 0, fmt.Errorf("fence %.64q: %w", incarnation, ErrNotIncarnation)
	}
	if r.Time <= 0 {
		return 0, fmt.Errorf("fence %s: the record has no time", incarnation)
	}
	s.epoch++
	batch := appendBatch(nil, []Outgoing{r}, s, 0)
	var offset int64
	err = l.retry(ctx, "fence", func(ctx context.Context) error {
		res, err := l.client.RawProduce(ctx, &kafka.RawProduceRequest{
			Topic: l.topic(topic), Partition: partition, RequiredAcks: kafka.RequireAll,
			RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(batch)},
		})
		if err != nil {
			return err
		}
		offset = res.BaseOffset
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("fence %s in %s/%d: %w", incarnation, topic, partition, err)
	}
	return offset, nil
}
