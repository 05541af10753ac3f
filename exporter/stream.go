package exporter

import (
	"fmt"

	"splitsync/event"
	"splitsync/exporter/body"
	"splitsync/exporter/cut"
	"splitsync/internal/kafkalog"
)

// Stream names one of the five streams of callbacks, in ids, journal, metrics and status.
type Stream string

// The streams.
const (
	RoomEvents Stream = "room_events"
	Chat       Stream = "chat"
	Sessions   Stream = "sessions"
	Periodic   Stream = "periodic"
	Legacy     Stream = "legacy"
)

// Streams lists all streams in the order of the documents.
func Streams() []Stream { return []Stream{RoomEvents, Chat, Sessions, Periodic, Legacy} }

// group is the consumer group of a stream, without the topic prefix: one a stream, so that one dead URL pauses only itself.
func (s Stream) group() string { return "exporter-" + string(s) }

// content is what makes one stream that is carried by the log differ from another.
type content struct {
	topic event.Topic
	rules cut.Rules
	// item returns what an entry adds to the stream: the bytes of its record in a batch, or a whole body when single. ok is false when
	// the entry is not of the stream.
	item func(e *kafkalog.Entry, id string) (b []byte, ok bool, err error)
	// batch makes a body of items; nil when every item is a delivery of its own, without a cut.
	batch func(b body.Batch, items [][]byte) ([]byte, error)
}

// contents returns the streams that are carried by the log.
func (c *Callbacks) contents() map[Stream]content {
	room := c.MaxBodyBytes - headBytes
	return map[Stream]content{
		Chat: {
			topic: event.Chat, item: chatItem, batch: body.Chat,
			rules: cut.Rules{Records: c.ChatHistory.Size, Bytes: room, IntervalMS: c.ChatHistory.Interval.Milliseconds()},
		},
		Sessions: {
			topic: event.Sessions, item: sessionItem, batch: body.Sessions,
			rules: cut.Rules{Records: c.SessionHistory.Size, Bytes: room, IntervalMS: c.SessionHistory.Interval.Milliseconds()},
		},
		Periodic: {topic: event.Sessions},
		Legacy:   {topic: event.Sessions},
		RoomEvents: {
			topic: event.Sessions, rules: cut.Rules{Records: 1, Bytes: room},
			item: func(e *kafkalog.Entry, id string) ([]byte, bool, error) {
				return body.Room(body.Version, c.bodyCase(), id, e.Event, e.CreatedAt)
			},
		},
	}
}

// headBytes is more than a batch body holds beside its records.
const headBytes = 4096

func chatItem(e *kafkalog.Entry, _ string) ([]byte, bool, error) {
	m, ok := e.Event.(*event.Message)
	if !ok {
		return nil, false, nil
	}
	b, err := body.Record(body.Version, body.ChatRecord(m, e.Seq, e.MessageID.String(), e.CreatedAt))
	return b, err == nil, err
}

func sessionItem(e *kafkalog.Entry, _ string) ([]byte, bool, error) {
	left, ok := e.Event.(*event.UserLeft)
	if !ok {
		return nil, false, nil
	}
	b, err := body.Record(body.Version, event.NewSessionRecord(left, e.CreatedAt))
	return b, err == nil, err
}

// singleSuffix is the end of the id of a body without a cut: what decides its bytes beside the record.
func singleSuffix(c body.Case) string {
	return fmt.Sprintf("%d%c", body.Version, c[0])
}
