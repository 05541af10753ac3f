package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/internal/testkit"
)

// BenchmarkPipelinedAcks measures durable acks of one connection that keeps 1000 messages of 100 bytes in flight.
func BenchmarkPipelinedAcks(b *testing.B) {
	n := start(b, openLog(b, testkit.Kafka(b)), nil)
	c := n.join(n.room(), "ann")
	const batch = 100
	content := strings.Repeat("x", 100)
	sent, acked := 0, 0
	post := func() {
		var frame strings.Builder
		for range min(batch, b.N-sent) {
			fmt.Fprintf(&frame, `{"type":"SendMessage","id":%d,"payload":{"content":%q,"client_msg_id":"%d"}}`+"\n", sent, content, sent)
			sent++
		}
		c.raw(frame.String())
	}
	b.ResetTimer()
	for acked < b.N {
		for sent < b.N && sent-acked < 10*batch {
			post()
		}
		if c.next().Type == event.MsgAck {
			acked++
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
}
