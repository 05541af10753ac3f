// Package kafkalog is splitsync's log: the only owner of the Kafka client. It promises that an acknowledged append is durable (acks=all)
// and in the log once, that readers see records in offset order without a hole, or are told exactly what they missed, and that every
// reader computes the same facts (seq, time, identity, duplicates) about a record.
package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
	"splitsync/internal/service"
)

// Log is a connection to one splitsync log: a set of topics with one prefix. It is safe for concurrent use.
type Log struct {
	cfg       Config
	log       *slog.Logger
	faults    *service.Throttle // an outage is one line a minute, however many read and write
	client    *kafka.Client
	transport *kafka.Transport
	meta      Meta
	parts     []int // 0..Partitions-1
}

// Meta is what the meaning of the log depends on; it stands in the log itself.
type Meta struct {
	Epoch      int // 1..31, raised when the topics were created anew
	Partitions int
	Window     Window
}

// Window bounds how far apart two records with one dedupe key may lie to be duplicates: both bounds hold.
type Window struct {
	Seconds int
	Records int64
}

// Open connects and waits until a broker answers; it logs once in ten seconds while none does. It fails when ctx ends, and at once for
// settings that cannot work.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Log, error) {
	dialer, err := cfg.dialer()
	if err != nil {
		return nil, err
	}
	transport := &kafka.Transport{
		Dial:        (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		DialTimeout: 5 * time.Second,
		IdleTimeout: 5 * time.Minute,
		MetadataTTL: time.Second,
		ClientID:    "splitsync",
		TLS:         dialer.TLS,
		SASL:        dialer.SASLMechanism,
	}
	l := &Log{cfg: cfg, log: log, faults: service.NewThrottle(log, time.Minute), transport: transport, client: &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport}}
	if err := l.waitReachable(ctx); err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	return l, nil
}

func (l *Log) waitReachable(ctx context.Context) error {
	var last time.Time
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := l.client.ApiVersions(try, &kafka.ApiVersionsRequest{})
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("connect to kafka at %v: %w", l.cfg.Brokers, errors.Join(ctx.Err(), err))
		}
		if time.Since(last) >= 10*time.Second {
			last = time.Now()
			l.log.Warn("kafka is not reachable, trying on", "brokers", l.cfg.Brokers, "error", err.Error())
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return fmt.Errorf("connect to kafka at %v: %w", l.cfg.Brokers, err)
		}
	}
}

// Close gives back the connections. Producers, readers and consumers must have ended before.
func (l *Log) Close() error {
	l.transport.CloseIdleConnections()
	return nil
}

// Meta returns what Check or Migrate read from the log; before them it is zero.
func (l *Log) Meta() Meta { return l.meta }

// PartitionOf returns the partition of a room: murmur2(room) modulo the number of partitions, as the Java client does it.
func (l *Log) PartitionOf(room string) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(room)}, l.parts...)
}

// PartitionsOf returns how many partitions a topic has.
func (l *Log) PartitionsOf(t event.Topic) int {
	switch t {
	case event.Rooms, event.Gateways, event.Control:
		return 1
	}
	return l.meta.Partitions
}

func (l *Log) topic(t event.Topic) string { return l.cfg.TopicPrefix + string(t) }

// TopicName returns the full name of a topic.
func (l *Log) TopicName(t event.Topic) string { return l.topic(t) }

func (l *Log) setMeta(m Meta) {
	l.meta = m
	l.parts = make([]int, m.Partitions)
	for i := range l.parts {
		l.parts[i] = i
	}
}

// Offsets returns the first offset that the log still has and the offset that the next record will get.
func (l *Log) Offsets(ctx context.Context, topic event.Topic, partition int) (start, end int64, err error) {
	p, err := l.listOffsets(ctx, topic, partition, kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition))
	if err != nil {
		return 0, 0, err
	}
	return p.FirstOffset, p.LastOffset, nil
}

// OffsetAt returns the first offset whose record time is at or after ms (Unix milliseconds), or the end of the log.
func (l *Log) OffsetAt(ctx context.Context, topic event.Topic, partition int, ms int64) (int64, error) {
	p, err := l.listOffsets(ctx, topic, partition, kafka.TimeOffsetOf(partition, time.UnixMilli(max(ms, 0))))
	if err != nil {
		return 0, err
	}
	for offset := range p.Offsets {
		if offset >= 0 {
			return offset, nil
		}
	}
	_, end, err := l.Offsets(ctx, topic, partition)
	return end, err
}

// listOffsets asks until the broker answers or ctx ends. Each request goes alone: a broker may answer one time a partition only once.
func (l *Log) listOffsets(ctx context.Context, topic event.Topic, partition int, reqs ...kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	all := kafka.PartitionOffsets{Partition: partition, Offsets: map[int64]time.Time{}}
	for _, req := range reqs {
		err := l.retry(ctx, "list offsets", func(ctx context.Context) error {
			res, err := l.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
				Topics: map[string][]kafka.OffsetRequest{l.topic(topic): {req}},
			})
			if err != nil {
				return err
			}
			for _, p := range res.Topics[l.topic(topic)] {
				if p.Error != nil {
					return p.Error
				}
				all.FirstOffset = max(all.FirstOffset, p.FirstOffset)
				all.LastOffset = max(all.LastOffset, p.LastOffset)
				for o, t := range p.Offsets {
					all.Offsets[o] = t
				}
			}
			return nil
		})
		if err != nil {
			return all, fmt.Errorf("list offsets of %s/%d: %w", topic, partition, err)
		}
	}
	return all, nil
}

// Committed returns the committed offset of every partition of a topic, -1 where there is none.
func (l *Log) Committed(ctx context.Context, group string, topic event.Topic) (map[int]int64, error) {
	partitions := l.allPartitions(topic)
	claims, err := l.fetchCommits(ctx, group, topic, partitions)
	if err != nil && !errors.Is(err, kafka.GroupIdNotFound) { // a group that never was has committed nothing
		return nil, err
	}
	offsets := make(map[int]int64, len(partitions))
	for _, p := range partitions {
		offsets[p] = -1
	}
	for _, c := range claims {
		offsets[c.Partition] = c.Offset
	}
	return offsets, nil
}

func (l *Log) allPartitions(t event.Topic) []int {
	ps := make([]int, l.PartitionsOf(t))
	for i := range ps {
		ps[i] = i
	}
	return ps
}

func (l *Log) fetchCommits(ctx context.Context, group string, topic event.Topic, partitions []int) ([]Claim, error) {
	var claims []Claim
	err := l.retry(ctx, "fetch committed offsets", func(ctx context.Context) error {
		claims = claims[:0]
		res, err := l.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
			GroupID: l.cfg.TopicPrefix + group,
			Topics:  map[string][]int{l.topic(topic): partitions},
		})
		if err != nil {
			return err
		}
		if res.Error != nil {
			return res.Error
		}
		for _, p := range res.Topics[l.topic(topic)] {
			if p.Error != nil {
				return p.Error
			}
			claims = append(claims, Claim{Topic: topic, Partition: p.Partition, Offset: p.CommittedOffset, Metadata: p.Metadata})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetch committed offsets of %s for %s: %w", group, topic, err)
	}
	return claims, nil
}
