package exporter

import (
	"context"
	"errors"
	"strconv"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// ingestGroup is the consumer group that writes the history.
const ingestGroup = "ingest"

// patienceForIngest is how long the body of a closed room waits for the history.
const patienceForIngest = 60 * time.Second

// trigger is a record that asks for a snapshot of its room.
type trigger struct {
	offset  int64
	admins  []string  // of a room that was created: its register may come later
	closed  bool      // the room has ended: its history has to be whole
	chatEnd int64     // end of the chat partition when the trigger was seen
	at      time.Time // when it was seen
}

// source is a partition of the sessions log, read for triggers.
type source struct {
	claim     kafkalog.Claim
	position  int64 // everything below has been seen; -1 before the first poll
	committed int64
	busy      bool
}

// triggered is what a source hands over.
type triggered struct {
	*source
	position int64
	rooms    map[string][]trigger
}

// follow reads the triggers of a partition.
func (r *round) follow(ctx context.Context, src *source, out chan<- triggered) error {
	p := r.newPartition(src.claim, r.gen, r.courier)
	from, _, err := p.origin(ctx)
	if err != nil {
		return err
	}
	tail, err := r.kafka.OpenTail(ctx, r.topic, src.claim.Partition, from)
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		r.log.Error("retention overtook the stream: its triggers are lost", "partition", src.claim.Partition, "from", gone.From, "to", gone.To)
		r.metrics.Lost.WithLabelValues(string(r.name)).Add(float64(gone.To - gone.From))
		tail, err = r.kafka.OpenTail(ctx, r.topic, src.claim.Partition, gone.To)
	}
	for ; err == nil; err = ctx.Err() {
		var entries []kafkalog.Entry
		if entries, err = tail.Poll(ctx); err != nil {
			return err
		}
		t := triggered{source: src, position: tail.Position(), rooms: map[string][]trigger{}}
		for i := range entries {
			if err := r.collect(ctx, &t, &entries[i]); err != nil {
				return err
			}
		}
		select {
		case out <- t:
		case <-ctx.Done():
		}
	}
	return err
}

// collect keeps an entry that is a trigger.
func (r *round) collect(ctx context.Context, to *triggered, e *kafkalog.Entry) error {
	if e.Err != nil || e.Duplicate {
		return nil
	}
	t := trigger{offset: e.Offset, at: time.Now()}
	switch ev := e.Event.(type) {
	case *event.RoomCreated:
		t.admins = ev.AdminUserIDs
	case *event.RoomClosed:
		_, end, err := r.kafka.Offsets(ctx, event.Chat, e.Partition)
		if err != nil {
			return err
		}
		t.closed, t.chatEnd = true, end
	default:
		return nil
	}
	to.rooms[e.Event.Room()] = append(to.rooms[e.Event.Room()], t)
	return nil
}

// see takes up triggers.
func (r *round) see(in triggered) {
	in.source.position = in.position
	for room, triggers := range in.rooms {
		if t, _ := r.target(room); t != nil {
			t.triggers = append(t.triggers, triggers...)
			r.want(t)
		}
	}
}

// commit stores, a partition, the lowest trigger that is not answered.
func (r *round) commit(ctx context.Context) {
	if !r.triggers || !r.gen.Live() {
		return
	}
	low := map[int]int64{}
	for p, src := range r.owned {
		low[p] = src.position
	}
	for _, t := range r.rooms {
		if len(t.triggers) > 0 {
			low[t.partition] = min(low[t.partition], t.triggers[0].offset)
		}
	}
	for p, src := range r.owned {
		offset := low[p]
		if src.busy || offset < 0 || offset == src.committed || r.fault.At(BeforeCommit) != nil {
			continue
		}
		src.busy = true
		c := kafkalog.Commit{Topic: r.topic, Partition: p, Offset: offset, Metadata: `{"v":1,"journal":` + strconv.Itoa(0) + `}`}
		r.jobs.Add(1)
		go func() {
			defer r.jobs.Done()
			err := r.gen.Commit(ctx, c)
			r.mail.post(func() {
				src.busy = false
				if err == nil {
					src.committed = offset
				}
			})
		}()
	}
}

// awaitIngest waits until the history holds what was in the log when a room closed, at most a minute from then.
func (r *round) awaitIngest(ctx context.Context, partition int, t trigger) {
	ctx, cancel := context.WithDeadline(ctx, t.at.Add(patienceForIngest))
	defer cancel()
	poll := time.NewTicker(250 * time.Millisecond)
	defer poll.Stop()
	for !r.ingested(ctx, partition, t) {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *round) ingested(ctx context.Context, partition int, t trigger) bool {
	sessions, err := r.kafka.Committed(ctx, ingestGroup, event.Sessions)
	if err != nil || sessions[partition] <= t.offset {
		return false
	}
	chat, err := r.kafka.Committed(ctx, ingestGroup, event.Chat)
	return err == nil && chat[partition] >= t.chatEnd
}
