package ingest

import (
	"context"
	"testing"
	"time"

	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// The stand-alone role opens everything itself, stores, and leaves nothing running.
func TestRole(t *testing.T) {
	kafka := kafkalog.Config{Brokers: []string{testkit.Kafka(t)}, TopicPrefix: testkit.Prefix(t), Partitions: 2, ReplicationFactor: 1, RetentionHours: 168}
	f := newFixtureOn(t, kafka)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{
			Kafka: kafka, MetricsAddress: "127.0.0.1:0",
			ClickHouse: history.Config{Addr: []string{f.click.Addr()}, Database: testDatabase, Username: "default"},
		}, testkit.Log(t))
	}()
	f.append(chatter(0, 100, 2)...)
	f.waitCommitted(20 * time.Second)
	f.wantMessages(100, 2)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
