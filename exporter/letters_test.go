package exporter

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// refuseRoom answers status to every batch of a room.
func refuseRoom(t *testing.T, room string, status int) func(testkit.Received) testkit.Answer {
	return func(got testkit.Received) testkit.Answer {
		if chatBodies(t, []testkit.Received{got})[0].RoomID == room {
			return testkit.Answer{Status: status}
		}
		return testkit.Answer{}
	}
}

// letters waits until n deliveries are dead-lettered in the journal, and returns the bodies of all dead letters by delivery id.
func (r *rig) letters(n int) map[string][]byte {
	r.t.Helper()
	testkit.Eventually(r.t, patience, func() error {
		seen := map[string]bool{}
		r.scan(event.Deliveries, func(rec kafkalog.Record) {
			if bytes.Contains(rec.Value, []byte(`"type":"dead_lettered"`)) {
				seen[string(rec.Key)] = true
			}
		})
		if len(seen) < n {
			return fmt.Errorf("%d of %d deliveries are dead-lettered", len(seen), n)
		}
		return nil
	})
	chunks, counts := map[string]map[int][]byte{}, map[string]int{}
	r.scan(event.CallbackDeadLetters, func(rec kafkalog.Record) {
		id, number, _ := strings.Cut(string(rec.Key), "#")
		i, err := strconv.Atoi(number)
		if err != nil {
			r.t.Fatal(err)
		}
		if chunks[id] == nil {
			chunks[id] = map[int][]byte{}
		}
		chunks[id][i] = rec.Value
		counts[id], _ = strconv.Atoi(string(rec.Header(headerChunks)))
	})
	bodies := map[string][]byte{}
	for id, parts := range chunks {
		var whole bytes.Buffer
		for i := range counts[id] {
			whole.Write(parts[i])
		}
		unzip, err := gzip.NewReader(&whole)
		if err != nil {
			r.t.Fatal(err)
		}
		if bodies[id], err = io.ReadAll(unzip); err != nil {
			r.t.Fatal(err)
		}
	}
	return bodies
}

// scan hands over everything that is in a topic.
func (r *rig) scan(topic event.Topic, f func(kafkalog.Record)) {
	r.t.Helper()
	for p := range r.log.PartitionsOf(topic) {
		start, end, err := r.log.Offsets(r.t.Context(), topic, p)
		if err != nil {
			r.t.Fatal(err)
		}
		for reader := r.log.OpenReader(topic, p, start); reader.Position() < end; {
			records, err := reader.Next(r.t.Context())
			if err != nil {
				r.t.Fatal(err)
			}
			for _, rec := range records {
				f(rec)
			}
		}
	}
}

// checkLetters checks that dead letters hold the bytes that the receiver saw under their ids.
func (r *rig) checkLetters(to *testkit.Receiver, letters map[string][]byte) {
	r.t.Helper()
	for id, letter := range letters {
		found := false
		for _, req := range to.Requests() {
			if req.ID == id {
				found = true
				if !bytes.Equal(req.Body, letter) {
					r.t.Errorf("dead letter %s differs from what was sent", id)
				}
			}
		}
		if !found {
			r.t.Errorf("dead letter %s was never sent", id)
		}
	}
}
