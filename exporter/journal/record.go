// Package journal is what the exporter writes down about its deliveries, and what follows from it: which cuts of a stream hold, which
// deliveries are open, and from where a new owner has to read. It is pure: no clock, no network. Its one promise: every process that
// folds the same records comes to the same deliveries, whatever a slow former owner still appends.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"splitsync/event"
)

// Version is the schema version that Encode writes as "v".
const Version = 1

// NoCut stands for the cut of a delivery that has none (a room event).
const NoCut = int64(-1)

// ErrUnknown marks a record of a type or version that this build does not know.
var ErrUnknown = errors.New("unknown journal record")

// Type names a journal record.
type Type string

// The types of journal records.
const (
	TypeCut          Type = "cut"
	TypeSplit        Type = "split"
	TypeDone         Type = "done"
	TypeDeadLettered Type = "dead_lettered"
	TypeLost         Type = "lost"
)

// Record is one of *Cut, *Split, *Done, *DeadLettered, *Lost.
type Record interface {
	// Type tells which struct it is.
	Type() Type
	// StreamName is the stream that the record is about.
	StreamName() string
}

// Cut makes a room's records of an offset range one delivery. It holds everything that decides the bytes of the body and is not in the
// log. Of two cuts of a stream and room that overlap, the first in the journal holds.
type Cut struct {
	Stream      string           `json:"stream"`
	ID          string           `json:"id"` // of the delivery
	Room        string           `json:"room_id"`
	First       int64            `json:"first_offset"` // of a record that the stream carries
	Last        int64            `json:"last_offset"`  // likewise
	Records     int              `json:"records"`
	Hours       map[string]int64 `json:"hours"`         // records a UTC hour of their created_at (2026-11-23T21), for the ledger
	Body        int              `json:"body"`          // version of the encoder
	Case        string           `json:"case"`          // snake or pascal
	IsLastBatch bool             `json:"is_last_batch"` // nothing of the room waited behind it
	AtMS        int64            `json:"at_ms"`         // when it was cut
}

// Split replaces a delivery by two: its records before At, and those from At on.
type Split struct {
	Stream string `json:"stream"`
	ID     string `json:"id"` // of the delivery that is split
	Room   string `json:"room_id"`
	Cut    int64  `json:"cut"` // journal offset of its cut
	At     int64  `json:"at"`  // first offset of the second half
}

// Closed names a delivery that is over. It tells its range and the place of its cut, so that a reader who starts behind the cut knows
// which one was meant.
type Closed struct {
	ID    string `json:"id"`
	Room  string `json:"room_id"`
	Cut   int64  `json:"cut"` // journal offset of the cut, NoCut for room events
	First int64  `json:"first_offset"`
	Last  int64  `json:"last_offset"`
}

// Done closes deliveries that were answered with 2xx.
type Done struct {
	Stream     string   `json:"stream"`
	Deliveries []Closed `json:"deliveries"`
}

// DeadLettered closes a delivery whose exact bytes are durable in callback-dead-letters.
type DeadLettered struct {
	Stream string `json:"stream"`
	Closed
	Chunks   int    `json:"chunks"`   // records of the dead letter
	Reason   string `json:"reason"`   // short, without any text of the receiver
	Attempts int    `json:"attempts"` // requests made
}

// Lost tells that Kafka's retention overtook the stream: records of From <= offset < To cannot be delivered any more. Open deliveries
// that hold such a record are void; what is left of them is cut anew, under another id.
type Lost struct {
	Stream string `json:"stream"`
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	AtMS   int64  `json:"at_ms"`
}

// Type returns TypeCut.
func (*Cut) Type() Type { return TypeCut }

// Type returns TypeSplit.
func (*Split) Type() Type { return TypeSplit }

// Type returns TypeDone.
func (*Done) Type() Type { return TypeDone }

// Type returns TypeDeadLettered.
func (*DeadLettered) Type() Type { return TypeDeadLettered }

// Type returns TypeLost.
func (*Lost) Type() Type { return TypeLost }

// StreamName returns the stream.
func (c *Cut) StreamName() string { return c.Stream }

// StreamName returns the stream.
func (s *Split) StreamName() string { return s.Stream }

// StreamName returns the stream.
func (d *Done) StreamName() string { return d.Stream }

// StreamName returns the stream.
func (d *DeadLettered) StreamName() string { return d.Stream }

// StreamName returns the stream.
func (l *Lost) StreamName() string { return l.Stream }

// Encode returns the value of r: a JSON object that starts with v and type.
func Encode(r Record) ([]byte, error) {
	body, err := event.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", r.Type(), err)
	}
	var buf bytes.Buffer
	buf.WriteString(`{"v":` + strconv.Itoa(Version) + `,"type":"` + string(r.Type()) + `",`)
	buf.Write(body[1:])
	return buf.Bytes(), nil
}

// Decode reads a value that Encode wrote. It fails with ErrUnknown for a type or version that this build does not know: a newer one may.
func Decode(value []byte) (Record, error) {
	var head struct {
		V    int  `json:"v"`
		Type Type `json:"type"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return nil, fmt.Errorf("decode journal record: %w", err)
	}
	r := blank(head.Type)
	if r == nil || head.V != Version {
		return nil, fmt.Errorf("decode journal record: type %.32q, v %d: %w", head.Type, head.V, ErrUnknown)
	}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("decode %s: %w", head.Type, err)
	}
	return r, nil
}

func blank(t Type) Record {
	switch t {
	case TypeCut:
		return new(Cut)
	case TypeSplit:
		return new(Split)
	case TypeDone:
		return new(Done)
	case TypeDeadLettered:
		return new(DeadLettered)
	case TypeLost:
		return new(Lost)
	}
	return nil
}

func closedBy(r Record) []Closed {
	switch r := r.(type) {
	case *Done:
		return r.Deliveries
	case *DeadLettered:
		return []Closed{r.Closed}
	}
	return nil
}
