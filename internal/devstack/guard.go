package devstack

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"splitsync/internal/service"
)

// refuseFor is how long the broker takes nothing after a batch could not be written. It is longer than kafkalog sends a
// batch again (30 s).
const refuseFor = 40 * time.Second

// guard keeps kfake from acknowledging what it did not store. kfake notes the sequence number of an idempotent batch before
// it writes the batch; when the write fails (a full disk), it answers an error, but takes the same bytes, sent again, for a
// duplicate and acknowledges them. After such a failure the guard refuses every batch as certainly not stored, until
// nobody sends the failed one again. It is kfake's logger, because that is where kfake tells of the failure.
type guard struct {
	lines   *service.Throttle
	refuse  time.Duration
	cluster atomic.Pointer[kfake.Cluster]

	mu    sync.Mutex
	until time.Time // of the refusal; zero = there is none
}

func newGuard(log *slog.Logger, refuse time.Duration) *guard {
	if refuse == 0 {
		refuse = refuseFor
	}
	return &guard{lines: service.NewThrottle(log, 0), refuse: refuse}
}

// Logf implements kfake.Logger. Errors and warnings pass, the same at most once a minute; other levels speak of every
// request.
func (g *guard) Logf(level kfake.LogLevel, format string, args ...any) {
	if level != kfake.LogLevelError && level != kfake.LogLevelWarn {
		return
	}
	if strings.HasPrefix(format, "persist batch") {
		g.failed()
		g.lines.Error(format, "embedded broker cannot write its log and refuses messages", "detail", fmt.Sprintf(format, args...), "for", g.refuse)
		return
	}
	g.lines.Warn(format, "embedded broker", "detail", fmt.Sprintf(format, args...))
}

// failed begins the refusal, or makes it longer. kfake calls it while it works on the batch, before any other request.
func (g *guard) failed() {
	cluster := g.cluster.Load()
	if cluster == nil {
		return // it is still starting and has no clients
	}
	g.mu.Lock()
	began := g.until.IsZero()
	g.until = time.Now().Add(g.refuse)
	g.mu.Unlock()
	if began {
		cluster.ControlKey(int16(kmsg.Produce), g.control)
	}
}

// control answers a produce request during the refusal, and lets it through and goes away after it.
func (g *guard) control(request kmsg.Request) (kmsg.Response, error, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().After(g.until) {
		g.until = time.Time{}
		g.cluster.Load().DropControl()
		return nil, nil, false
	}
	g.cluster.Load().KeepControl()
	return refuseProduce(request.(*kmsg.ProduceRequest)), nil, true
}

// refuseProduce answers that not enough replicas were there to begin: the code that says that nothing was appended.
func refuseProduce(request *kmsg.ProduceRequest) kmsg.Response {
	response := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range request.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, kerr.NotEnoughReplicas.Code
			topic.Partitions = append(topic.Partitions, partition)
		}
		response.Topics = append(response.Topics, topic)
	}
	return response
}
