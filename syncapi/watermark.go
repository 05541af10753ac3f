package syncapi

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"splitsync/event"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
	"splitsync/internal/service"
)

const (
	ingestGroup   = "ingest"              // its commits tell up to where the history is complete
	freshFor      = 50 * time.Millisecond // a reading this old still serves: it promises less than is true, never more
	askTime       = time.Second           // how long an answer may wait for Kafka
	restTime      = 5 * time.Second       // after Kafka did not answer, requests go without it for so long
	lagEvery      = time.Second           // how often a partition's first waiting record is looked for
	minWait       = 5 * time.Second       // how long min_watermark waits
	minWaitStep   = 50 * time.Millisecond
	maxMinMarkLen = 64
)

// marks reads how far the history of one topic is complete. What it read is shared by the requests of a moment. Safe for concurrent use.
type marks struct {
	log      *kafkalog.Log
	topic    event.Topic
	throttle *service.Throttle

	asking sync.Mutex // held while Kafka is asked for commits
	mu     sync.Mutex
	last   reading
	failed time.Time
	heads  map[int]head
}

// reading is the committed offsets of ingest at a moment: the next one to be stored, or -1.
type reading struct {
	at        time.Time
	committed map[int]int64
}

// head is the first record of a partition that was not stored when it was looked for.
type head struct {
	looked time.Time
	offset int64
	time   int64 // Unix milliseconds; 0 = everything was stored
}

func newMarks(log *kafkalog.Log, topic event.Topic, throttle *service.Throttle) *marks {
	return &marks{log: log, topic: topic, throttle: throttle, heads: map[int]head{}}
}

// read returns a reading that is not older than freshFor. ok is false when Kafka does not answer within a second; then nobody asks it for five.
func (m *marks) read(ctx context.Context) (r reading, ok bool) {
	if r, ok, known := m.known(); known {
		return r, ok
	}
	m.asking.Lock()
	defer m.asking.Unlock()
	if r, ok, known := m.known(); known {
		return r, ok
	}
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r.at = time.Now()
	var err error
	if r.committed, err = m.log.Committed(ask, ingestGroup, m.topic); err != nil {
		m.fault(ctx, err)
		return reading{}, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = r
	return r, true
}

func (m *marks) known() (r reading, ok, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.last.at) < freshFor {
		return m.last, true, true
	}
	return reading{}, false, time.Since(m.failed) < restTime
}

// fault remembers that Kafka did not answer, unless only the request has ended.
func (m *marks) fault(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	m.failed = time.Now()
	m.mu.Unlock()
	m.throttle.Warn("watermark/"+string(m.topic), "progress of ingest could not be read, answers have no watermark", "topic", m.topic, "err", err)
}

// lag is the age of the first record of a partition that is not stored, in milliseconds; 0 when all are. While records come in it may be told up to
// lagEvery too large, never too small.
func (m *marks) lag(ctx context.Context, partition int, committed int64) (int64, error) {
	now := time.Now()
	m.mu.Lock()
	h, seen := m.heads[partition]
	m.mu.Unlock()
	switch {
	case seen && h.time == 0 && now.Sub(h.looked) < freshFor:
		return now.Sub(h.looked).Milliseconds(), nil
	case seen && h.time != 0 && (h.offset == committed || now.Sub(h.looked) < lagEvery):
		return max(now.UnixMilli()-h.time, 0), nil
	}
	h, err := m.look(ctx, partition, committed)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	m.heads[partition] = h
	m.mu.Unlock()
	if h.time == 0 {
		return 0, nil
	}
	return max(now.UnixMilli()-h.time, 0), nil
}

func (m *marks) look(ctx context.Context, partition int, committed int64) (head, error) {
	h := head{looked: time.Now(), offset: committed}
	start, end, err := m.log.Offsets(ctx, m.topic, partition)
	next := max(committed, start)
	if err != nil || next >= end {
		return h, err
	}
	records, err := m.log.OpenReader(m.topic, partition, next).Next(ctx)
	if err != nil {
		return h, err
	}
	h.time = records[0].Time
	return h, nil
}

// upTo is the last offset of a partition that is stored, -1 if none is.
func (r reading) upTo(partition int) int64 { return max(r.committed[partition], 0) - 1 }

// mark is a place in a partition of the log.
type mark struct {
	partition int
	offset    int64
}

func (m mark) String() string {
	return strconv.Itoa(m.partition) + ":" + strconv.FormatInt(m.offset, 10)
}

// parseMarks reads partition:offset, several joined by commas.
func parseMarks(s string, partitions int) ([]mark, bool) {
	var out []mark
	for part := range strings.SplitSeq(s, ",") {
		a, b, ok := strings.Cut(part, ":")
		p, err := strconv.Atoi(a)
		o, err2 := strconv.ParseInt(b, 10, 64)
		if !ok || err != nil || err2 != nil || p < 0 || p >= partitions || o < 0 {
			return nil, false
		}
		out = append(out, mark{p, o})
	}
	return out, true
}

// freshness waits for min and writes the freshness headers. It is called before the query, so that the answer holds at least what they say. It
// writes none when Kafka does not answer; an answer without them is better than no answer. partition -1 means all.
func (m *marks) freshness(ctx context.Context, h http.Header, partition int, min []mark) error {
	r, ok, err := m.await(ctx, min)
	if err != nil || !ok {
		return err
	}
	partitions := []int{partition}
	if partition < 0 {
		partitions = slices.Sorted(maps.Keys(r.committed))
	}
	text := make([]string, len(partitions))
	for i, p := range partitions {
		text[i] = mark{p, r.upTo(p)}.String()
	}
	h.Set("X-Sync-Watermark", strings.Join(text, ","))
	if lag, ok := m.maxLag(ctx, r, partitions); ok {
		h.Set("X-Sync-Lag-Ms", strconv.FormatInt(lag, 10))
	}
	return nil
}

// await reads until min is reached, at most minWait.
func (m *marks) await(ctx context.Context, min []mark) (r reading, ok bool, err error) {
	deadline := time.Now().Add(minWait)
	for {
		r, ok = m.read(ctx)
		if len(min) == 0 || ok && r.reached(min) {
			return r, ok, nil
		}
		if time.Now().After(deadline) {
			return r, ok, httpapi.Unavailable(tryAgain, nil, "min_watermark: not reached within %d s", int(minWait.Seconds()))
		}
		if !sleep(ctx, minWaitStep) {
			return r, ok, ctx.Err()
		}
	}
}

func (m *marks) maxLag(ctx context.Context, r reading, partitions []int) (lag int64, ok bool) {
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	for _, p := range partitions {
		l, err := m.lag(ask, p, r.committed[p])
		if err != nil {
			m.fault(ctx, err)
			return 0, false
		}
		lag = max(lag, l)
	}
	return lag, true
}

func (r reading) reached(min []mark) bool {
	for _, m := range min {
		if r.upTo(m.partition) < m.offset {
			return false
		}
	}
	return true
}

// sleep waits; it reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
