package kafkalog

import (
	"slices"
	"testing"

	"splitsync/event"
)

func TestWrongSettingsAreNamed(t *testing.T) {
	specs := map[event.Topic]topicSpec{}
	for _, s := range (Config{Partitions: 3, ReplicationFactor: 3, RetentionHours: 168}).topics(3) {
		specs[s.topic] = s
	}
	for _, c := range []struct {
		topic          event.Topic
		setting, value string
		want           []string
	}{
		{event.Chat, "cleanup.policy", "compact", []string{"x has cleanup.policy=compact, must be delete"}},
		{event.Gateways, "cleanup.policy", "delete, compact", nil},
		{event.Chat, "min.insync.replicas", "1", []string{"x has min.insync.replicas=1, must be at least 2"}},
		{event.Chat, "min.insync.replicas", "3", nil},
		{event.Chat, "message.timestamp.after.max.ms", "9223372036854775807", []string{"x has message.timestamp.after.max.ms=9223372036854775807, must be at most 10000"}},
		{event.Chat, "message.timestamp.type", "LogAppendTime", []string{"x has message.timestamp.type=LogAppendTime, must be CreateTime"}},
		{event.Chat, "unclean.leader.election.enable", "true", []string{"x has unclean.leader.election.enable=true, must be false"}},
		{event.Chat, "retention.ms", "3600000", nil},
		{event.Rooms, "retention.ms", "604800000", []string{"x has retention.ms=604800000, must be -1"}},
		{event.IngestDeadLetters, "retention.ms", "-1", nil},
		{event.Rooms, "message.timestamp.after.max.ms", "9223372036854775807", nil},
	} {
		s := specs[c.topic]
		if got := s.faults("x", map[string]string{c.setting: c.value}); !slices.Equal(got, c.want) {
			t.Errorf("%s with %s=%s: %q, want %q", c.topic, c.setting, c.value, got, c.want)
		}
	}
}
