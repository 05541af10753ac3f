//go:build jvm

package apachekafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"

	"splitsync/internal/testkit"
	"splitsync/internal/testkit/apachekafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, addrs ...string) *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addrs...), Transport: transport, Timeout: 10 * time.Second}
}

// makeTopic makes a topic of one partition and returns when it has a leader.
func makeTopic(t *testing.T, c *kafka.Client, topic string, replicas int) {
	t.Helper()
	answer, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: 1, ReplicationFactor: replicas},
	}})
	if err != nil || answer.Errors[topic] != nil {
		t.Fatal(err, answer)
	}
}

func produce(ctx context.Context, c *kafka.Client, topic string) (int64, error) {
	answer, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("v"))}),
	})
	if err != nil {
		return 0, err
	}
	return answer.BaseOffset, answer.Error
}

// produced waits until a record is acknowledged; its offset must be at least want.
func produced(t *testing.T, c *kafka.Client, topic string, want int64) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, func() error {
		offset, err := produce(t.Context(), c, topic)
		if err == nil && offset < want {
			t.Fatalf("offset %d, want %d or more: records are gone", offset, want)
		}
		return err
	})
}

func TestOneNodeKeepsItsLogOverKill9(t *testing.T) {
	cluster := apachekafka.ForTest(t, 1)
	c := newClient(t, cluster.Addrs()...)
	makeTopic(t, c, "chat", 1)
	produced(t, c, "chat", 0)
	if err := cluster.Node(0).Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	produced(t, c, "chat", 1)
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Node(0).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	produced(t, c, "chat", 2)
}

func TestThreeNodesGoOnWithoutTheLeader(t *testing.T) {
	cluster := apachekafka.ForTest(t, 3)
	c := newClient(t, cluster.Addrs()...)
	makeTopic(t, c, "chat", 3)
	produced(t, c, "chat", 0)
	leader := leaderOf(t, c, "chat")
	cluster.Node(leader).Kill9()
	produced(t, c, "chat", 1)
	if err := cluster.Node(leader).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	produced(t, c, "chat", 2)
}

// leaderOf is the number of the node that leads partition 0.
func leaderOf(t *testing.T, c *kafka.Client, topic string) int {
	t.Helper()
	var leader int
	testkit.Eventually(t, 10*time.Second, func() error {
		meta, err := c.Metadata(t.Context(), &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		if len(meta.Topics) != 1 || len(meta.Topics[0].Partitions) != 1 {
			return fmt.Errorf("metadata %+v", meta.Topics)
		}
		leader = meta.Topics[0].Partitions[0].Leader.ID - 1
		return meta.Topics[0].Partitions[0].Error
	})
	return leader
}
