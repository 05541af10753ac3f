//go:build jvm

package kafkalog_test

import (
	"fmt"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
	"splitsync/internal/testkit/apachekafka"
)

// Of three brokers each is killed once under load, the leader of the partition among them: nothing acknowledged is lost, nothing stands
// twice, and every answer tells the offset at which its record stands (I1, I3).
func TestKillOfEveryBrokerOfThree(t *testing.T) {
	cluster := apachekafka.ForTest(t, 3)
	cfg := kafkalog.Config{Brokers: cluster.Addrs(), TopicPrefix: testkit.Prefix(t), Partitions: 1, ReplicationFactor: 3, RetentionHours: 1}
	l, err := kafkalog.Open(t.Context(), cfg, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	testkit.Eventually(t, 60*time.Second, func() error { return l.Migrate(t.Context()) }) // a new cluster elects for a while
	p := producer(t, l, event.Chat)
	a := newAnswers()
	const step = 500
	for i := range 3 {
		a.send(t, l, p, 3*i*step, (3*i+1)*step)
		cluster.Node(i).Kill9()
		a.send(t, l, p, (3*i+1)*step, (3*i+2)*step)
		testkit.Eventually(t, 60*time.Second, func() error { // until it is written again, without the dead one
			_, err := p.AppendEvent(t.Context(), message("room", "ann", "", fmt.Sprintf("probe %d", i)), 0)
			return err
		})
		if err := cluster.Node(i).Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.send(t, l, p, (3*i+2)*step, (3*i+3)*step)
		a.wg.Wait()
	}
	if len(a.offsets) < 3*2*step {
		t.Errorf("only %d of %d were acknowledged", len(a.offsets), 9*step)
	}
	a.verify(t, l)
}
