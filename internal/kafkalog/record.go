package kafkalog

import (
	"fmt"

	"splitsync/event"
)

// The headers that splitsync writes, so that a consumer can route a record without parsing its value.
const (
	HeaderType   = "type"
	HeaderID     = "id"
	HeaderDedupe = "dedupe"
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record as it stands in the log. It belongs to whoever got it.
type Record struct {
	Topic     event.Topic
	Partition int
	Offset    int64
	Time      int64 // the writer's clock, Unix milliseconds
	Key       []byte
	Value     []byte // nil in a compacted topic: the key was deleted
	Headers   []Header
}

// Header returns the value of a header, nil if the record has none of that name.
func (r *Record) Header(key string) []byte {
	for i := range r.Headers {
		if r.Headers[i].Key == key {
			return r.Headers[i].Value
		}
	}
	return nil
}

// Outgoing is a record to be appended.
type Outgoing struct {
	Key     []byte
	Value   []byte // nil deletes the key of a compacted topic
	Headers []Header
	Time    int64 // Unix milliseconds; 0 = the clock when it is sent
}

// size is an upper bound of the bytes that the record takes in a batch.
func (r *Outgoing) size() int {
	n := len(r.Key) + len(r.Value) + 32
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value) + 8
	}
	return n
}

// Encode makes the record of an event, with its headers. timeMS is in Unix milliseconds, 0 for the clock at sending. It fails if the event
// breaks its contract (*event.FieldError).
func Encode(e event.Event, timeMS int64) (Outgoing, error) {
	value, err := event.Encode(e)
	if err != nil {
		return Outgoing{}, err
	}
	if len(value) > MaxRecordBytes {
		return Outgoing{}, fmt.Errorf("encode %s of %d bytes: %w", e.Kind(), len(value), ErrTooLarge)
	}
	out := Outgoing{Key: []byte(e.Room()), Value: value, Time: timeMS, Headers: make([]Header, 1, 3)}
	out.Headers[0] = Header{HeaderType, []byte(e.Kind())}
	if id := e.ID(); id != "" {
		out.Headers = append(out.Headers, Header{HeaderID, []byte(id)})
	}
	if key := e.DedupeKey(); key != "" {
		out.Headers = append(out.Headers, Header{HeaderDedupe, []byte(key)})
	}
	return out, nil
}
