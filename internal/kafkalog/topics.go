package kafkalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

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

// Check reads the log's meaning and compares every topic with how it has to be. It names all settings that are wrong. Roles call it
// before anything else.
func (l *Log) Check(ctx context.Context) (Meta, error) {
	m, err := l.readMeta(ctx)
	if err != nil {
		return Meta{}, err
	}
	if m == nil {
		return Meta{}, errors.New("this log has not been set up: run splitsync migrate")
	}
	if m.Epoch < 1 || m.Epoch > 31 || m.Partitions < 1 {
		return Meta{}, fmt.Errorf("register %s of the log is out of range: epoch %d, partitions %d", event.LogRegister, m.Epoch, m.Partitions)
	}
	if err := l.checkTopics(ctx, m.Partitions); err != nil {
		return Meta{}, err
	}
	l.setMeta(Meta{Epoch: m.Epoch, Partitions: m.Partitions, Window: Window{Seconds: m.WindowSeconds, Records: m.WindowRecords}})
	return l.meta, nil
}

func (l *Log) checkTopics(ctx context.Context, partitions int) error {
	specs := l.cfg.topics(partitions)
	counts, err := l.partitionCounts(ctx, specs)
	if err != nil {
		return err
	}
	settings, err := l.describe(ctx, specs)
	if err != nil {
		return err
	}
	var wrong []string
	for _, s := range specs {
		name := l.topic(s.topic)
		if n, ok := counts[name]; !ok {
			wrong = append(wrong, name+" does not exist")
			continue
		} else if n != s.partitions {
			wrong = append(wrong, fmt.Sprintf("%s has %d partitions, must have %d", name, n, s.partitions))
		}
		for _, setting := range []string{"cleanup.policy", "message.timestamp.type", "unclean.leader.election.enable"} {
			if have, ok := settings[name][setting]; ok && !sameList(have, s.settings[setting]) {
				wrong = append(wrong, fmt.Sprintf("%s has %s=%s, must be %s", name, setting, have, s.settings[setting]))
			}
		}
	}
	if len(wrong) > 0 {
		sort.Strings(wrong)
		return fmt.Errorf("topics are not as they have to be (splitsync migrate creates missing ones): %s", strings.Join(wrong, "; "))
	}
	return nil
}

// sameList compares comma lists without their order.
func sameList(a, b string) bool {
	x, y := strings.Split(strings.ToLower(a), ","), strings.Split(strings.ToLower(b), ",")
	for i := range x {
		x[i] = strings.TrimSpace(x[i])
	}
	for i := range y {
		y[i] = strings.TrimSpace(y[i])
	}
	sort.Strings(x)
	sort.Strings(y)
	return strings.Join(x, ",") == strings.Join(y, ",")
}

func (l *Log) partitionCounts(ctx context.Context, specs []topicSpec) (map[string]int, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = l.topic(s.topic)
	}
	counts := map[string]int{}
	err := l.retry(ctx, "list topics", func(ctx context.Context) error {
		res, err := l.client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
		if err != nil {
			return err
		}
		for _, t := range res.Topics {
			if t.Error == nil {
				counts[t.Name] = len(t.Partitions)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	return counts, nil
}

func (l *Log) describe(ctx context.Context, specs []topicSpec) (map[string]map[string]string, error) {
	req := &kafka.DescribeConfigsRequest{}
	for _, s := range specs {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: l.topic(s.topic)})
	}
	settings := map[string]map[string]string{}
	err := l.retry(ctx, "describe topics", func(ctx context.Context) error {
		res, err := l.client.DescribeConfigs(ctx, req)
		if err != nil {
			return err
		}
		for _, r := range res.Resources {
			settings[r.ResourceName] = map[string]string{}
			for _, e := range r.ConfigEntries {
				settings[r.ResourceName][e.ConfigName] = e.ConfigValue
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	return settings, nil
}
