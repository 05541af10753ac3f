package devstack_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// client is a Kafka client of a broker, closed with the test.
func client(t *testing.T, addr string) *kafka.Client {
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport, Timeout: 10 * time.Second}
}

func makeTopic(t *testing.T, c *kafka.Client, topic string, entries ...kafka.ConfigEntry) {
	t.Helper()
	answer, err := c.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: entries},
	}})
	if err != nil || answer.Errors[topic] != nil {
		t.Fatal(err, answer)
	}
}

func produce(ctx context.Context, c *kafka.Client, topic string, value []byte) (int64, error) {
	answer, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
	})
	if err != nil {
		return 0, err
	}
	return answer.BaseOffset, answer.Error
}

func offsets(ctx context.Context, c *kafka.Client, topic string) (start, end int64, err error) {
	answer, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)},
	}})
	if err != nil {
		return 0, 0, err
	}
	got := answer.Topics[topic][0]
	return got.FirstOffset, got.LastOffset, got.Error
}

func TestBrokerKeepsItsLogAndItsTopicsOverARestart(t *testing.T) {
	cfg := devstack.BrokerConfig{DataDir: t.TempDir(), Fsync: true}
	for want := range int64(3) {
		broker, err := devstack.StartBroker(cfg, testkit.Log(t))
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, broker.Addr())
		if want == 0 {
			makeTopic(t, c, "chat")
		}
		offset, err := produce(t.Context(), c, "chat", []byte("value"))
		if err != nil || offset != want {
			t.Errorf("offset %d, %v; want %d", offset, err, want)
		}
		broker.Close()
		if conn, err := net.Dial("tcp", broker.Addr()); err == nil {
			conn.Close()
			t.Error("a closed broker accepts")
		}
	}
}

func TestBrokerDoesNotMakeTopicsByItself(t *testing.T) {
	broker, err := devstack.StartBroker(devstack.BrokerConfig{}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	if _, err := produce(t.Context(), client(t, broker.Addr()), "absent", []byte("v")); err == nil {
		t.Error("a record was taken for a topic that nobody made")
	}
}

func TestBrokerBoundsALog(t *testing.T) {
	broker, err := devstack.StartBroker(devstack.BrokerConfig{
		DataDir: t.TempDir(), Configs: map[string]string{"log.cleaner.backoff.ms": "50", "log.segment.bytes": "65536"},
	}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	c := client(t, broker.Addr())
	makeTopic(t, c, "chat", kafka.ConfigEntry{ConfigName: "retention.bytes", ConfigValue: "200000"})
	for range 100 {
		if _, err := produce(t.Context(), c, "chat", make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, 10*time.Second, func() error {
		start, end, err := offsets(t.Context(), c, "chat")
		if err == nil && (end != 100 || start < 70 || start > 90) {
			err = fmt.Errorf("the log is %d..%d, want about the last 20 of 100", start, end)
		}
		return err
	})
}

func TestBrokerNamesAPortThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = devstack.StartBroker(devstack.BrokerConfig{Port: port}, testkit.Log(t))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) || !strings.Contains(err.Error(), "EMBEDDED_KAFKA_PORT") {
		t.Errorf("%v; want an error naming the port and the setting", err)
	}
}
