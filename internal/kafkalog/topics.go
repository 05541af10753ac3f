package kafkalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
)

// What Migrate writes into a new log.
const (
	firstEpoch    = 1
	windowSeconds = 120
	windowRecords = 262144
)

// topicSpec is how a topic has to be.
type topicSpec struct {
	topic      event.Topic
	partitions int
	settings   map[string]string
}

func (c Config) topics(partitions int) []topicSpec {
	replicas := strconv.Itoa(max(1, c.ReplicationFactor-1))
	hours := func(h int) string { return strconv.Itoa(h * 3600 * 1000) }
	with := func(more map[string]string) map[string]string {
		s := map[string]string{"min.insync.replicas": replicas, "unclean.leader.election.enable": "false", "message.timestamp.type": "CreateTime"}
		for k, v := range more {
			s[k] = v
		}
		return s
	}
	events := with(map[string]string{
		"cleanup.policy": "delete", "retention.ms": hours(c.RetentionHours), "message.timestamp.after.max.ms": "10000",
	})
	if c.RetentionBytes > 0 {
		events["retention.bytes"] = strconv.FormatInt(c.RetentionBytes, 10)
	}
	compacted := with(map[string]string{"cleanup.policy": "compact", "retention.ms": "-1"})
	return []topicSpec{
		{event.Chat, partitions, events},
		{event.Sessions, partitions, events},
		{event.Imports, partitions, events},
		{event.Rooms, 1, compacted},
		{event.Gateways, 1, with(map[string]string{"cleanup.policy": "compact,delete", "retention.ms": hours(1)})},
		{event.Control, 1, compacted},
		{event.Deliveries, partitions, with(map[string]string{"cleanup.policy": "delete", "retention.ms": hours(c.RetentionHours + 24)})},
		{event.CallbackDeadLetters, partitions, compacted},
		{event.IngestDeadLetters, partitions, with(map[string]string{"cleanup.policy": "delete", "retention.ms": "-1"})},
	}
}

// Migrate creates the topics that are missing and, in a new log, writes the register that fixes its meaning; then it checks all. Several
// processes may do it at once.
func (l *Log) Migrate(ctx context.Context) error {
	specs := l.cfg.topics(l.cfg.Partitions)
	req := &kafka.CreateTopicsRequest{}
	for _, s := range specs {
		t := kafka.TopicConfig{Topic: l.topic(s.topic), NumPartitions: s.partitions, ReplicationFactor: l.cfg.ReplicationFactor}
		for name, value := range s.settings {
			t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
		}
		req.Topics = append(req.Topics, t)
	}
	err := l.retry(ctx, "create topics", func(ctx context.Context) error {
		res, err := l.client.CreateTopics(ctx, req)
		if err != nil {
			return err
		}
		for name, err := range res.Errors {
			if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create topics: %w", err)
	}
	if err := l.writeMeta(ctx); err != nil {
		return err
	}
	_, err = l.Check(ctx)
	return err
}

func (l *Log) writeMeta(ctx context.Context) error {
	found, err := l.readMeta(ctx)
	if err != nil || found != nil {
		return err
	}
	value, err := event.Marshal(event.LogMeta{
		V: event.Version, Epoch: firstEpoch, Partitions: l.cfg.Partitions, WindowSeconds: windowSeconds, WindowRecords: windowRecords,
	})
	if err != nil {
		return fmt.Errorf("encode %s: %w", event.LogRegister, err)
	}
	p, err := l.NewProducer(ctx, event.Rooms)
	if err != nil {
		return err
	}
	_, err = p.Append(ctx, 0, Outgoing{Key: []byte(event.LogRegister), Value: value})
	return errors.Join(err, p.Close(ctx))
}

// readMeta returns the greatest register of the log's meaning; the first of equals counts. nil = there is none.
func (l *Log) readMeta(ctx context.Context) (*event.LogMeta, error) {
	start, end, err := l.Offsets(ctx, event.Rooms, 0)
	if err != nil {
		return nil, err
	}
	var found *event.LogMeta
	for r := l.OpenReader(event.Rooms, 0, start); r.Position() < end; {
		records, err := r.Poll(ctx)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", event.LogRegister, err)
		}
		if len(records) == 0 && r.HighWatermark() <= end {
			break // the rest was compacted away
		}
		for i := range records {
			if string(records[i].Key) != event.LogRegister {
				continue
			}
			var m event.LogMeta
			if err := json.Unmarshal(records[i].Value, &m); err != nil {
				return nil, fmt.Errorf("read %s at %d: %w", event.LogRegister, records[i].Offset, err)
			}
			if found == nil || m.Epoch > found.Epoch {
				found = &m
			}
		}
	}
	return found, nil
}
