package ingest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/devstack"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// Retention that overtakes ingest is told with the exact range, and ingest goes on behind it.
func TestRetentionOvertakesIngest(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{Configs: map[string]string{"log.cleaner.backoff.ms": "50"}})
	f := newFixtureOn(t, kafkalog.Config{Brokers: []string{broker.Addr()}, TopicPrefix: testkit.Prefix(t),
		Partitions: 1, ReplicationFactor: 1, RetentionHours: 168, RetentionBytes: 20_000})
	first := f.ingest(nil)
	f.append(chatter(0, 10, 1)...)
	f.waitCommitted(20 * time.Second)
	f.stop(first)
	commits, err := f.log.Committed(t.Context(), Group, event.Chat)
	if err != nil {
		t.Fatal(err)
	}
	from := commits[0]
	i := 10
	testkit.Eventually(t, 20*time.Second, func() error {
		f.append(say("room-0", "ann", fmt.Sprint("id-", i), strings.Repeat("x", 5000)))
		i++
		start, _, err := f.log.Offsets(t.Context(), event.Chat, 0)
		if err == nil && start <= from {
			err = fmt.Errorf("the log starts at %d", start)
		}
		return err
	})
	second := f.ingest(nil)
	testkit.Eventually(t, 20*time.Second, func() error {
		if value(t, second.metrics.Overtaken) == 0 {
			return fmt.Errorf("no gap yet")
		}
		return nil
	})
	f.waitCommitted(20 * time.Second) // the commit passes the gap
	var gap struct {
		From int64 `json:"from_offset"`
		To   int64 `json:"to_offset"`
	}
	letter := f.letters()[fmt.Sprintf("chat/0/%d", from)]
	if err := json.Unmarshal(letter.Value, &gap); err != nil {
		t.Fatal(err)
	}
	lost := int64(value(t, second.metrics.Overtaken))
	if string(letter.Header(headerReason)) != "retention" || gap.From != from || gap.To-gap.From != lost || gap.To <= gap.From {
		t.Errorf("gap %+v, counted %d, commit %d", gap, lost, from)
	}
	f.append(say("room-0", "ann", "last", "behind the gap"))
	f.waitCommitted(20 * time.Second)
	if n := f.number("SELECT count() FROM $chat_messages WHERE client_msg_id = 'last'"); n != 1 {
		t.Errorf("%d rows behind the gap, want 1", n)
	}
}
