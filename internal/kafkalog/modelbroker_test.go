package kafkalog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
)

// broker is a model of one partition of a Kafka broker: the rules by which idempotent batches are taken, without a network.
type broker struct {
	mu     sync.Mutex
	rnd    *rand.Rand
	faults int     // in 100 requests
	ways   []fault // in which they go wrong
	nextID int64
	log    []string // values
	last   map[session]stored
	ids    map[int64]int16 // greatest epoch
	noIDs  error           // what requests for a producer id get
	poison string          // a value that is refused
}

// stored is the last batch that a session appended.
type stored struct {
	base, last int32
	offset     int64
}

func newBroker(seed uint64, faults int) *broker {
	return &broker{rnd: rand.New(rand.NewPCG(seed, 1)), faults: faults, ways: allFaults(), last: map[session]stored{}, ids: map[int64]int16{}}
}

// RoundTrip answers the requests of a producer.
func (b *broker) RoundTrip(ctx context.Context, _ net.Addr, req kafka.Request) (kafka.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r := req.(type) {
	case *initproducerid.Request:
		if b.noIDs != nil {
			return nil, b.noIDs
		}
		b.nextID++
		return &initproducerid.Response{ProducerID: b.nextID}, nil
	case *rawproduce.Request:
		raw, err := io.ReadAll(r.Topics[0].Partitions[0].RecordSet.Reader)
		if err != nil {
			return nil, err
		}
		return b.produce(raw)
	}
	return nil, fmt.Errorf("unexpected %T", req)
}

// fault is a way in which a request goes wrong: whether it is carried out, and what the producer hears.
type fault struct {
	appended bool
	err      error
}

func allFaults() []fault {
	return []fault{
		{false, &net.OpError{Op: "dial", Err: errors.New("refused")}},
		{false, io.ErrUnexpectedEOF},
		{true, io.ErrUnexpectedEOF},
		{true, kafka.NotLeaderForPartition},
		{true, kafka.UnknownTopicOrPartition},
		{false, kafka.NotLeaderForPartition},
		{false, kafka.NotEnoughReplicas},
		{true, kafka.NotEnoughReplicasAfterAppend},
		{true, kafka.RequestTimedOut},
		{false, kafka.Unknown},
		{false, kafka.TopicAuthorizationFailed},
		{false, kafka.UnknownProducerId},
		{true, context.DeadlineExceeded},
	}
}

func (b *broker) produce(raw []byte) (kafka.Response, error) {
	offset, err := int64(0), error(nil)
	fault := b.rnd.IntN(100) < b.faults
	f := b.ways[b.rnd.IntN(len(b.ways))]
	if !fault || f.appended {
		offset, err = b.append(raw)
	}
	if fault {
		err = f.err
	}
	var code kafka.Error
	if err != nil && !errors.As(err, &code) {
		return nil, err
	}
	return &produce.Response{Topics: []produce.ResponseTopic{{
		Partitions: []produce.ResponsePartition{{ErrorCode: int16(code), BaseOffset: offset}},
	}}}, nil
}

func (b *broker) append(raw []byte) (int64, error) {
	be := binary.BigEndian
	body := raw[lengthPrefix:]
	s := session{int64(be.Uint64(body[43:])), int16(be.Uint16(body[51:]))}
	base, n := int32(be.Uint32(body[53:])), int(be.Uint32(body[57:]))
	if s.epoch < b.ids[s.id] {
		return 0, kafka.InvalidProducerEpoch
	}
	last, known := b.last[s]
	end := nextSequence(base, n-1)
	switch {
	case known && last.base == base && last.last == end:
		return last.offset, nil
	case known && base != nextSequence(last.last, 1), !known && base != 0:
		return 0, kafka.OutOfOrderSequenceNumber
	}
	var set protocol.RecordSet
	if _, err := set.ReadFrom(bytes.NewReader(raw)); err != nil {
		return 0, kafka.InvalidMessage
	}
	var values []string
	for {
		rec, err := set.Records.ReadRecord()
		if err != nil {
			break
		}
		v, _ := protocol.ReadAll(rec.Value)
		if b.poison != "" && string(v) == b.poison {
			return 0, kafka.MessageSizeTooLarge
		}
		values = append(values, string(v))
	}
	if len(values) != n {
		return 0, kafka.InvalidRecord
	}
	b.ids[s.id] = s.epoch
	b.last[s] = stored{base, end, int64(len(b.log))}
	b.log = append(b.log, values...)
	return int64(len(b.log) - n), nil
}

// fault lets every batch be appended and answers with err; nil ends that.
func (b *broker) fault(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = 0
	if err != nil {
		b.faults, b.ways = 100, []fault{{true, err}}
	}
}
