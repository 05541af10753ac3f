package devstack

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// batch is one record of an idempotent producer, as it goes over the wire.
func batch(producer int64, sequence int32) []byte {
	record := kmsg.Record{Key: []byte("k"), Value: []byte("v")}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
		ProducerID: producer, FirstSequence: sequence, NumRecords: 1, Records: record.AppendTo(nil),
	}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func send(t *testing.T, client *kgo.Client, raw []byte) (offset int64, code error) {
	t.Helper()
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 5000
	request.Topics = []kmsg.ProduceRequestTopic{{Topic: "chat", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
	response, err := client.Broker(0).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	answer := response.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return answer.BaseOffset, kerr.ErrorForCode(answer.ErrorCode)
}

// TestBrokerNeverAcknowledgesWhatItCouldNotWrite: the disk fails for one batch, the producer sends the same bytes again.
func TestBrokerNeverAcknowledgesWhatItCouldNotWrite(t *testing.T) {
	dir := t.TempDir()
	broker, err := StartBroker(BrokerConfig{DataDir: dir, Fsync: true, refuseFor: 300 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.MaxVersions(kversion.V2_8_0()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "chat", NumPartitions: 1, ReplicationFactor: 1}}
	if _, err := create.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	producer := newProducer(t, client)
	blocked := filepath.Join(dir, "partitions") // a file where the log's folder has to be
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	raw := batch(producer, 0)
	if offset, err := send(t, client, raw); err == nil {
		t.Fatalf("acknowledged at %d without a folder to write to", offset)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if offset, err := send(t, client, raw); err != kerr.NotEnoughReplicas {
		t.Fatalf("the same bytes again: offset %d, %v; want NOT_ENOUGH_REPLICAS", offset, err)
	}
	deadline, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // when the refusal ends, a new producer goes on
		offset, err := send(t, client, batch(newProducer(t, client), 0))
		if err == nil {
			if offset != 0 {
				t.Errorf("offset %d, want 0", offset)
			}
			return
		}
		if deadline.Err() != nil {
			t.Fatal(err)
		}
	}
}

func newProducer(t *testing.T, client *kgo.Client) int64 {
	t.Helper()
	answer, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return answer.ProducerID
}
