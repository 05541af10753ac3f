package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"splitsync/event"
	"splitsync/exporter/journal"
	"splitsync/internal/kafkalog"
)

// beginning is where a partition's readers stand when it starts.
type beginning struct {
	tail    *kafkalog.Tail
	journal *kafkalog.Reader
}

// mark is the metadata of a commit: from where in the journal a new owner has to fold.
type mark struct {
	V       int   `json:"v"`
	Journal int64 `json:"journal"`
}

// begin finds the position of the stream, folds the journal and opens the log there.
func (p *partition) begin(ctx context.Context) (beginning, error) {
	from, position, err := p.origin(ctx)
	if err != nil {
		return beginning{}, err
	}
	for {
		tail, err := p.kafka.OpenTail(ctx, p.topic, p.claim.Partition, from)
		var gone *kafkalog.OvertakenError
		if errors.As(err, &gone) {
			if err := p.lose(ctx, gone.From, gone.To); err != nil {
				return beginning{}, err
			}
			from = gone.To
			continue
		}
		if err != nil {
			return beginning{}, err
		}
		reader, err := p.load(ctx, from, position)
		if err != nil {
			return beginning{}, err
		}
		p.position = from
		for _, a := range p.state.AllOpen() {
			p.adopt(a)
		}
		return beginning{tail, reader}, p.err
	}
}

// origin returns where the log is to be read from, and the journal. It makes the start of a new stream durable.
func (p *partition) origin(ctx context.Context) (from, position int64, err error) {
	if p.claim.Offset >= 0 {
		var m mark
		if json.Unmarshal([]byte(p.claim.Metadata), &m) != nil || m.V != 1 {
			return p.claim.Offset, kafkalog.Start, nil
		}
		return p.claim.Offset, m.Journal, nil
	}
	if err := p.register.catchUp(ctx, p.kafka); err != nil { // a former owner may have begun a moment ago
		return 0, 0, err
	}
	if start, ok := p.register.start(p.name, p.claim.Partition); ok {
		first, _, err := p.kafka.Offsets(ctx, p.topic, p.claim.Partition)
		if err != nil {
			return 0, 0, err
		}
		p.log.Error("the stream's commit is lost, it goes on from its start", "offset", max(start.Offset, first))
		p.metrics.LostCommits.WithLabelValues(string(p.name)).Inc()
		return max(start.Offset, first), kafkalog.Start, nil
	}
	return p.originate(ctx)
}

// originate writes down where a new stream begins, before anything is fetched.
func (p *partition) originate(ctx context.Context) (from, position int64, err error) {
	first, end, err := p.kafka.Offsets(ctx, p.topic, p.claim.Partition)
	if err != nil {
		return 0, 0, err
	}
	if from = end; p.cfg.Start == "earliest" {
		if from, err = p.earliest(ctx, first); err != nil {
			return 0, 0, err
		}
	}
	_, position, err = p.kafka.Offsets(ctx, event.Deliveries, p.claim.Partition)
	if err != nil {
		return 0, 0, err
	}
	value, err := event.Marshal(event.StreamStart{
		Stream: string(p.name), Partition: p.claim.Partition, Offset: from, AtMS: time.Now().UnixMilli(),
	})
	if err != nil {
		return 0, 0, err
	}
	key := event.StreamStartKey(string(p.name), p.claim.Partition)
	if _, err := p.control.Append(ctx, 0, kafkalog.Outgoing{Key: []byte(key), Value: value}); err != nil {
		return 0, 0, fmt.Errorf("write start of stream %s: %w", p.name, err)
	}
	meta, err := json.Marshal(mark{1, position})
	if err != nil {
		return 0, 0, err
	}
	p.log.Info("stream begins", "offset", from)
	err = p.gen.Commit(ctx, kafkalog.Commit{Topic: p.topic, Partition: p.claim.Partition, Offset: from, Metadata: string(meta)})
	if err != nil {
		p.log.Warn("first commit of the stream failed, it is repeated", "error", err.Error())
	}
	return from, position, nil
}

// earliest is the first offset of the log whose facts are certain.
func (p *partition) earliest(ctx context.Context, first int64) (int64, error) {
	_, err := p.kafka.OpenTail(ctx, p.topic, p.claim.Partition, kafkalog.Start)
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		return gone.To, nil
	}
	return first, err
}

// load folds the journal from a position to its end, and returns the reader that goes on there.
func (p *partition) load(ctx context.Context, from, position int64) (*kafkalog.Reader, error) {
	_, end, err := p.kafka.Offsets(ctx, event.Deliveries, p.claim.Partition)
	if err != nil {
		return nil, err
	}
	r := p.kafka.OpenReader(event.Deliveries, p.claim.Partition, position)
	var all []journal.At
	for r.Position() < end {
		records, err := r.Poll(ctx)
		var gone *kafkalog.OvertakenError
		switch {
		case errors.As(err, &gone):
			// Its retention is longer than the log's: what is gone is about records that are gone.
			r = p.kafka.OpenReader(event.Deliveries, p.claim.Partition, gone.To)
			continue
		case err != nil:
			return nil, err
		}
		for i := range records {
			rec, err := journal.Decode(records[i].Value)
			if errors.Is(err, journal.ErrUnknown) {
				return nil, &haltError{"the journal holds a record of a newer version"}
			}
			if err != nil {
				p.log.Error("journal record is not readable", "offset", records[i].Offset, "error", err.Error())
				continue
			}
			if rec.StreamName() == string(p.name) {
				all = append(all, journal.At{Pos: records[i].Offset, Record: rec})
			}
		}
	}
	p.state = journal.NewState(string(p.name), from)
	p.state.Load(all)
	p.state.SetNext(r.Position())
	return r, nil
}

// lose records that retention has overtaken the stream.
func (p *partition) lose(ctx context.Context, from, to int64) error {
	p.log.Error("retention overtook the stream: records are lost", "from", from, "to", to)
	p.metrics.Lost.WithLabelValues(string(p.name)).Add(float64(to - from))
	r := &journal.Lost{Stream: string(p.name), From: from, To: to, AtMS: time.Now().UnixMilli()}
	value, err := journal.Encode(r)
	if err != nil {
		return err
	}
	_, err = p.journal.Append(ctx, p.claim.Partition, kafkalog.Outgoing{Key: []byte(p.id("-", from, "")), Value: value})
	if err != nil {
		return fmt.Errorf("write lost range of stream %s: %w", p.name, err)
	}
	return nil
}

// drain waits for the courier to end and journals what it delivered last. It cuts nothing.
func (p *partition) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.grace)
	defer cancel()
	ended := p.courier.Ended()
	for p.err == nil && (ended != nil || p.pending > 0 || len(p.done) > 0) {
		select {
		case <-ended:
			ended = nil
		case <-p.mail.bell:
		case <-ctx.Done():
			return
		}
		for _, f := range p.mail.take() {
			f()
		}
		p.flushDone(ctx)
	}
}
