package testkit_test

import (
	"context"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/segmentio/kafka-go"

	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func TestKafkaGoTalksToTheBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	topic := testkit.Prefix(t) + "chat"
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(testkit.Kafka(t)), Transport: transport}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || made.Errors[topic] != nil {
		t.Fatal(err, made)
	}
	testkit.Eventually(t, 10*time.Second, func() error { return produce(ctx, client, topic, "v") }) // until it has a leader
	if err := wantEnd(ctx, client, topic, 1); err != nil {
		t.Error(err)
	}
}

func TestClickHouseGoTalksToTheServer(t *testing.T) {
	addr, database := testkit.ClickHouse(t)
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{addr}, Auth: clickhouse.Auth{Database: database}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var name string
	if err := conn.QueryRow(t.Context(), "SELECT currentDatabase()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if name != database {
		t.Errorf("database %q, want %q", name, database)
	}
}
