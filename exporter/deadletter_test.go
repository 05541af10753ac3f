package exporter

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"splitsync/exporter/send"
	"splitsync/internal/kafkalog"
)

// flaky is a log whose every third append fails.
type flaky struct {
	n       int
	records []kafkalog.Outgoing
}

// Append implements appender.
func (f *flaky) Append(_ context.Context, _ int, r kafkalog.Outgoing) (int64, error) {
	if f.n++; f.n%3 == 1 {
		return 0, errors.New("no answer")
	}
	f.records = append(f.records, r)
	return int64(len(f.records)), nil
}

func TestDeadLettersHoldTheExactBytesInChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for name, b := range map[string][]byte{"small": []byte("{}"), "big": noise} {
		t.Run(name, func(t *testing.T) {
			var log flaky
			n, err := writeLetter(t.Context(), &log, 0, letterHead{V: 1, ID: "chat:1:0:a:1", Stream: "chat", Room: "a", Bytes: int64(len(b))}, send.Bytes(b))
			if err != nil || n != len(log.records) {
				t.Fatalf("%d chunks, %d records, %v", n, len(log.records), err)
			}
			var whole bytes.Buffer
			for i, r := range log.records {
				if string(r.Key) != fmt.Sprintf("chat:1:0:a:1#%d", i) || len(r.Value) > chunkBytes {
					t.Errorf("chunk %d: key %s, %d bytes", i, r.Key, len(r.Value))
				}
				rec := kafkalog.Record{Headers: r.Headers}
				if string(rec.Header(headerChunks)) != fmt.Sprint(n) {
					t.Errorf("chunk %d tells of %s chunks", i, rec.Header(headerChunks))
				}
				if about := rec.Header(headerAbout); (about != nil) != (i == 0) || i == 0 && !json.Valid(about) {
					t.Errorf("chunk %d: about %s", i, about)
				}
				whole.Write(r.Value)
			}
			unzip, err := gzip.NewReader(&whole)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(unzip); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes come back, %v", len(got), err)
			}
		})
	}
}
