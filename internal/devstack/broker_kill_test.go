package devstack_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// TestBrokerKeepsWhatItAcknowledgedOverKill9 kills the broker's process while records are being sent to it, three times on
// the same data: every acknowledged record is there, at its offset, and so is the last
// acknowledged commit of a group.
func TestBrokerKeepsWhatItAcknowledgedOverKill9(t *testing.T) {
	dir := t.TempDir()
	acked := map[int64]string{}
	committed := int64(0)
	for round := range 3 {
		parent, addr := brokerProcess(t, dir)
		c := client(t, addr)
		if round == 0 {
			makeTopic(t, c, "chat")
		}
		sent := 0
		enough := time.AfterFunc(300*time.Millisecond, func() { _ = parent.Process.Kill() })
		for {
			value := fmt.Sprintf("round %d record %d", round, sent)
			offset, err := produce(t.Context(), c, "chat", []byte(value))
			if err != nil {
				break // killed
			}
			acked[offset] = value
			sent++
			if commit(t.Context(), c, offset) == nil {
				committed = offset
			}
		}
		enough.Stop()
		_ = parent.Wait()
		if sent == 0 {
			t.Error("nothing was acknowledged before the kill")
		}
	}
	broker, err := devstack.StartBroker(devstack.BrokerConfig{DataDir: dir, Fsync: true}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	got := readAll(t, client(t, broker.Addr()), "chat")
	for offset, value := range acked {
		if got[offset] != value {
			t.Errorf("offset %d has %q, acknowledged was %q", offset, got[offset], value)
		}
	}
	answer, err := client(t, broker.Addr()).OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: "group", Topics: map[string][]int{"chat": {0}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Topics["chat"][0].CommittedOffset; committed == 0 || got < committed {
		t.Errorf("the group is at %d, %d was acknowledged", got, committed)
	}
	t.Logf("%d acknowledged, %d in the log", len(acked), len(got))
}

// commit commits an offset as a consumer without a group generation does.
func commit(ctx context.Context, c *kafka.Client, offset int64) error {
	answer, err := c.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: "group", GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{"chat": {{Offset: offset}}},
	})
	if err != nil {
		return err
	}
	return answer.Topics["chat"][0].Error
}

// brokerProcess starts a broker in a process of its own.
func brokerProcess(t *testing.T, dir string) (*exec.Cmd, string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, brokerRole, dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(addr)
}

// readAll reads partition 0 of a topic from its start to its end.
func readAll(t *testing.T, c *kafka.Client, topic string) map[int64]string {
	t.Helper()
	start, end, err := offsets(t.Context(), c, topic)
	if err != nil {
		t.Fatal(err)
	}
	values := map[int64]string{}
	for next := start; next < end; {
		answer, err := c.Fetch(t.Context(), &kafka.FetchRequest{Topic: topic, Offset: next, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
		if err != nil || answer.Error != nil {
			t.Fatal(err, answer)
		}
		for {
			record, err := answer.Records.ReadRecord()
			if err != nil {
				break // io.EOF: the end of this answer
			}
			value, err := kafka.ReadAll(record.Value)
			if err != nil {
				t.Fatal(err)
			}
			values[record.Offset] = string(value)
			next = record.Offset + 1
		}
	}
	return values
}
