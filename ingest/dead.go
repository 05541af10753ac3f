package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// reason tells why a record is in ingest-dead-letters. The list is closed; the metric names all of it.
type reason string

const (
	reasonUndecodable reason = "undecodable" // not a record of ours, or outside its contract
	reasonUnknown     reason = "unknown"     // a kind or version that this build does not know
	reasonMisplaced   reason = "misplaced"   // in a topic or partition where its room does not belong: its facts would be another record's
	reasonRefused     reason = "refused"     // ClickHouse refuses the row for its data
	reasonRetention   reason = "retention"   // not a record but a range that retention deleted before it was read
)

// The headers of a dead letter. The headers of the record itself follow with recordHeader before their names.
const (
	headerReason = "reason"
	headerDetail = "detail" // what was wrong, never the text of a message
	headerTime   = "time"   // of the record, Unix milliseconds
	headerKey    = "key"    // of the record
	headerPart   = "part"   // "1/2" where a value was too big for one record, absent otherwise
	recordHeader = "record."
)

// partBytes bounds the value of one dead letter: what the broker let in as one record has to fit again, with our headers.
const partBytes = 700 << 10

// slot names a partition of a topic.
type slot struct {
	topic     event.Topic
	partition int
}

func (s slot) String() string { return string(s.topic) + "/" + strconv.Itoa(s.partition) }

// letter is a record that could not be decoded or stored.
type letter struct {
	slot
	offset  int64
	reason  reason
	detail  string
	key     []byte
	value   []byte
	headers []kafkalog.Header
	time    int64
}

// letterOf makes the letter of a record, raw as it stands in the log.
func letterOf(r kafkalog.Record, why reason, detail string) letter {
	return letter{
		slot: slot{r.Topic, r.Partition}, offset: r.Offset, reason: why, detail: detail,
		key: r.Key, value: r.Value, headers: r.Headers, time: r.Time,
	}
}

// gapLetter names a range that retention deleted.
func gapLetter(e *kafkalog.OvertakenError) (letter, error) {
	value, err := event.Marshal(struct {
		Topic     event.Topic `json:"topic"`
		Partition int         `json:"partition"`
		From      int64       `json:"from_offset"`
		To        int64       `json:"to_offset"` // the first one that is there again
	}{e.Topic, e.Partition, e.From, e.To})
	return letter{slot: slot{e.Topic, e.Partition}, offset: e.From, reason: reasonRetention, detail: e.Error(), value: value}, err
}

// records are what the letter becomes in the topic: one, or several when its value is too big. Key: topic/partition/offset, so that a letter
// that is written again after a crash is known to be the same.
func (l letter) records() []kafkalog.Outgoing {
	head := []kafkalog.Header{{Key: headerReason, Value: []byte(l.reason)}, {Key: headerDetail, Value: []byte(l.detail)}}
	if l.time != 0 {
		head = append(head, kafkalog.Header{Key: headerTime, Value: strconv.AppendInt(nil, l.time, 10)})
	}
	if l.key != nil {
		head = append(head, kafkalog.Header{Key: headerKey, Value: l.key})
	}
	for _, h := range l.headers {
		head = append(head, kafkalog.Header{Key: recordHeader + h.Key, Value: h.Value})
	}
	key := []byte(l.slot.String() + "/" + strconv.FormatInt(l.offset, 10))
	parts := max(1, (len(l.value)+partBytes-1)/partBytes)
	out := make([]kafkalog.Outgoing, parts)
	for i := range out {
		value := l.value[min(i*partBytes, len(l.value)):min((i+1)*partBytes, len(l.value))]
		headers := head
		if parts > 1 {
			part := kafkalog.Header{Key: headerPart, Value: fmt.Appendf(nil, "%d/%d", i+1, parts)}
			headers = append(head[:len(head):len(head)], part)
		}
		out[i] = kafkalog.Outgoing{Key: key, Value: append([]byte{}, value...), Headers: headers}
	}
	return out
}

// bury makes letters durable: it repeats until the log has them or ctx ends. Only then may a commit pass their records.
func (s *Server) bury(ctx context.Context, letters []letter) error {
	for _, l := range letters {
		for _, r := range l.records() {
			err := s.retry(ctx, "dead_letter", func(ctx context.Context) error {
				_, err := s.dead.Append(ctx, l.partition, r)
				return err
			})
			if err != nil {
				return fmt.Errorf("dead letter of %s at %d: %w", l.slot, l.offset, err)
			}
		}
		s.metrics.DeadLetters.WithLabelValues(string(l.reason)).Inc()
		s.throttle.Warn("dead/"+string(l.reason), "record is in ingest-dead-letters", "topic", l.topic, "partition", l.partition,
			"offset", l.offset, "reason", l.reason, "detail", l.detail)
	}
	return nil
}

// reasonOf sorts an entry that could not be decoded.
func reasonOf(err error) reason {
	if errors.Is(err, event.ErrUnknown) {
		return reasonUnknown
	}
	return reasonUndecodable
}
