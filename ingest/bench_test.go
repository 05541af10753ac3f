package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkIngest stores b.N messages of about 190 bytes, each with a client_msg_id, that wait in the log: rows/s from the start of the
// ingest to the last commit. Broker, ClickHouse and ingest share the machine.
func BenchmarkIngest(b *testing.B) {
	f := newFixture(b, 3)
	text := strings.Repeat("lorem ipsum ", 5)
	for i := 0; i < b.N; i += 10_000 {
		events := chatter(0, 0, 1)
		for j := i; j < min(i+10_000, b.N); j++ {
			events = append(events, say(fmt.Sprintf("room-%d", j%50), fmt.Sprintf("user-%d", j%300), fmt.Sprintf("client-message-%08d", j), text))
		}
		f.append(events...)
	}
	b.ResetTimer()
	began := time.Now()
	f.ingest(func(s *Settings) { *s = Settings{} })
	f.waitCommitted(time.Minute)
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "rows/s")
	b.StopTimer()
	if n := f.number("SELECT count() FROM $chat_messages"); n != int64(b.N) {
		b.Errorf("%d rows, want %d", n, b.N)
	}
}
