package exporter

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"splitsync/exporter/courier"
	"splitsync/exporter/journal"
	"splitsync/exporter/send"
	"splitsync/internal/kafkalog"
)

// chunkBytes is the bound of one record of a dead letter.
const chunkBytes = 900_000

// The headers of the records of a dead letter. Its key is the delivery id, # and the number of the chunk.
const (
	headerChunks = "chunks" // how many there are
	headerAbout  = "about"  // on chunk 0: a letterHead
)

// letterHead tells about a dead letter, on its first chunk.
type letterHead struct {
	V        int    `json:"v"`
	ID       string `json:"id"`
	Stream   string `json:"stream"`
	Room     string `json:"room_id"`
	First    int64  `json:"first_offset"`
	Last     int64  `json:"last_offset"`
	Reason   string `json:"reason"`
	Attempts int    `json:"attempts"`
	Bytes    int64  `json:"bytes"` // of the body
	AtMS     int64  `json:"at_ms"`
}

// appender writes one record and waits until it is durable.
type appender interface {
	Append(ctx context.Context, partition int, r kafkalog.Outgoing) (int64, error)
}

// writeLetter makes the exact bytes of a delivery durable, gzip in chunks, and returns their number. It repeats until it has, or ctx ends;
// chunks written twice have the same key and bytes.
func writeLetter(ctx context.Context, to appender, partition int, head letterHead, b send.Body) (chunks int, err error) {
	n, err := countChunks(b)
	if err != nil {
		return 0, fmt.Errorf("compress dead letter %s: %w", head.ID, err)
	}
	about, err := json.Marshal(head)
	if err != nil {
		return 0, err
	}
	i := 0
	err = eachChunk(b, func(chunk []byte) error {
		r := kafkalog.Outgoing{
			Key: []byte(head.ID + "#" + strconv.Itoa(i)), Value: bytes.Clone(chunk),
			Headers: []kafkalog.Header{{Key: headerChunks, Value: []byte(strconv.Itoa(n))}},
		}
		if i == 0 {
			r.Headers = append(r.Headers, kafkalog.Header{Key: headerAbout, Value: about})
		}
		i++
		return appendUntil(ctx, to, partition, r)
	})
	if err != nil {
		return 0, fmt.Errorf("write dead letter %s: %w", head.ID, err)
	}
	return n, nil
}

// appendUntil repeats an append until it is certain.
func appendUntil(ctx context.Context, to appender, partition int, r kafkalog.Outgoing) error {
	for {
		_, err := to.Append(ctx, partition, r)
		if err == nil || ctx.Err() != nil || errors.Is(err, kafkalog.ErrTooLarge) || errors.Is(err, kafkalog.ErrClosed) {
			return err
		}
		wait := time.NewTimer(retryAppend)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return err
		}
	}
}

func countChunks(b send.Body) (int, error) {
	n := 0
	err := eachChunk(b, func([]byte) error { n++; return nil })
	return n, err
}

// eachChunk compresses a body and hands over the result in pieces; each is valid only during the call.
func eachChunk(b send.Body, f func(chunk []byte) error) error {
	in, err := b.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	split := &chunker{f: f}
	zip := gzip.NewWriter(split)
	if _, err := io.Copy(zip, in); err != nil {
		return err
	}
	if err := zip.Close(); err != nil {
		return err
	}
	return split.flush()
}

type chunker struct {
	buf []byte
	f   func([]byte) error
}

// Write implements io.Writer.
func (c *chunker) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		take := min(len(p), chunkBytes-len(c.buf))
		c.buf, p = append(c.buf, p[:take]...), p[take:]
		if len(c.buf) == chunkBytes {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (c *chunker) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	err := c.f(c.buf)
	c.buf = c.buf[:0]
	return err
}

// bury makes a delivery's bytes durable as a dead letter, and only then closes it in the journal.
func (p *partition) bury(ctx context.Context, d *delivery, r courier.Report) {
	if !p.step(BeforeDeadLetter) {
		return
	}
	reason := r.Last.Outcome.String() + ": " + r.Last.Reason
	head := letterHead{
		V: 1, ID: d.id, Stream: string(p.name), Room: d.room, First: d.first, Last: d.last,
		Reason: reason, Attempts: r.Attempts, AtMS: time.Now().UnixMilli(),
	}
	p.jobs.Add(1)
	go func() {
		defer p.jobs.Done()
		chunks, err := p.letter(ctx, d, head)
		p.mail.post(func() {
			switch {
			case ctx.Err() != nil:
			case err != nil:
				p.fail(err)
			case p.step(AfterDeadLetter):
				p.buried(ctx, d, chunks, head)
			}
		})
	}()
}

func (p *partition) letter(ctx context.Context, d *delivery, head letterHead) (int, error) {
	b, err := p.bytes(d)
	if err != nil {
		return 0, err
	}
	head.Bytes = b.Size()
	return writeLetter(ctx, p.letters, p.claim.Partition, head, b)
}

// buried closes a delivery whose dead letter is durable.
func (p *partition) buried(ctx context.Context, d *delivery, chunks int, head letterHead) {
	rec := &journal.DeadLettered{
		Stream: string(p.name), Closed: closed(d), Chunks: chunks, Reason: head.Reason, Attempts: head.Attempts,
	}
	p.append(rec, d.id, func(err error) {
		if err != nil {
			p.trouble("dead_lettered", err)
			p.later(ctx, func() { p.buried(ctx, d, chunks, head) })
			return
		}
		if !p.step(AfterGivenUp) {
			return
		}
		p.metrics.DeadLetters.WithLabelValues(string(p.name)).Inc()
		p.log.Warn("delivery is dead-lettered", "id", d.id, "reason", head.Reason, "attempts", head.Attempts)
		if l := p.lanes[d.room]; l != nil {
			d.over, l.out = true, nil
			p.advance(ctx, d.room)
		}
	})
}
