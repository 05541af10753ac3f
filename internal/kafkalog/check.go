package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"splitsync/event"
)

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
		wrong = append(wrong, s.faults(name, settings[name])...)
	}
	if len(wrong) > 0 {
		sort.Strings(wrong)
		return fmt.Errorf("topics are not as they have to be (splitsync migrate creates missing ones): %s", strings.Join(wrong, "; "))
	}
	return nil
}

// rule tells whether the value that a topic has will do for the one that it was to be made with.
type rule struct {
	setting string
	must    string // for the message
	ok      func(have, want string) bool
}

// rules are the settings that a topic may not go without. Where more is safer, more is taken; retention is the operator's, save where
// nothing may be deleted by age.
var rules = []rule{
	{"cleanup.policy", "be", sameList},
	{"message.timestamp.type", "be", sameList},
	{"unclean.leader.election.enable", "be", sameList},
	{"min.insync.replicas", "be at least", func(have, want string) bool { return number(have) >= number(want) }},
	{"message.timestamp.after.max.ms", "be at most", func(have, want string) bool { return number(have) <= number(want) }},
	{"retention.ms", "be", func(have, want string) bool { return want != "-1" || number(have) == -1 }},
}

// faults names the settings that are wrong. What the broker does not know is not looked at.
func (s *topicSpec) faults(name string, settings map[string]string) []string {
	var wrong []string
	for _, r := range rules {
		have, known := settings[r.setting]
		want, set := s.settings[r.setting]
		if known && set && !r.ok(have, want) {
			wrong = append(wrong, fmt.Sprintf("%s has %s=%s, must %s %s", name, r.setting, have, r.must, want))
		}
	}
	return wrong
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
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

// OpenChecked is Open and Check: what a role starts with.
func OpenChecked(ctx context.Context, cfg Config, log *slog.Logger) (*Log, error) {
	l, err := Open(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if _, err := l.Check(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
