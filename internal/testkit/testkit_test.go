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
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 3, ReplicationFactor: 1}}})
	if err != nil || made.Errors[topic] != nil {
		t.Fatal(err, made)
	}
	produced, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: 2, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes([]byte("k")), Value: kafka.NewBytes([]byte("v"))}),
	})
	if err != nil || produced.Error != nil {
		t.Fatal(err, produced)
	}
	if produced.BaseOffset != 0 {
		t.Errorf("offset %d, want 0", produced.BaseOffset)
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
