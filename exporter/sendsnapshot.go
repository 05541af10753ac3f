package exporter

import (
	"context"
	"errors"
	"time"

	"splitsync/exporter/courier"
	"splitsync/exporter/send"
)

// make builds a snapshot and hands it to the courier. It runs beside the round.
func (r *round) make(ctx context.Context, t *target, asks []trigger) {
	snap, err := r.prepare(ctx, t.id, t.partition, asks)
	if err != nil {
		if ctx.Err() == nil {
			r.throttle.Warn(string(r.name)+"/build", "snapshot cannot be made, it is tried again", "room_id", t.id, "error", err.Error())
			wait := time.NewTimer(10 * retryAppend)
			defer wait.Stop()
			select {
			case <-wait.C:
			case <-ctx.Done():
			}
		}
		r.mail.post(func() { r.over(t, false); r.want(t) })
		return
	}
	r.held.Store(snap, nil)
	ok := r.courier.Submit(ctx, &courier.Parcel{
		ID: snap.id, Room: t.id, Records: 1, Live: r.gen.Live, Stale: t.stale.Load,
		Body: func() (send.Body, error) { return snap.body, nil },
		End:  func(rep courier.Report) { r.mail.post(func() { r.ended(ctx, t, snap, rep) }) },
		Tried: func(res send.Result) {
			r.tried(res)
			if res.Outcome != send.OK {
				r.mail.post(func() { t.failed = t.busy; t.stale.Store(t.failed && t.again) })
			}
		},
	})
	if !ok {
		r.discard(snap)
	}
}

// discard gives back a body.
func (r *round) discard(snap *snapshot) {
	if _, held := r.held.LoadAndDelete(snap); held {
		snap.discard()
	}
}

// prepare waits for a builder's place and makes the body.
func (r *round) prepare(ctx context.Context, id string, partition int, asks []trigger) (*snapshot, error) {
	for _, t := range asks {
		if t.closed {
			r.awaitIngest(ctx, partition, t)
		}
	}
	select {
	case r.builds <- struct{}{}:
		defer func() { <-r.builds }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	bound, cancel := context.WithTimeout(ctx, 10*time.Second)
	room, ok := r.snapshots.rooms.WaitRoom(bound, id)
	cancel()
	if !ok {
		return nil, errors.New("the room is not known yet")
	}
	for _, t := range asks {
		if len(room.AdminUserIDs) == 0 {
			room.AdminUserIDs = t.admins
		}
	}
	r.mu.Lock()
	last := r.synced[id]
	r.mu.Unlock()
	return r.build(ctx, room, last)
}

// ended decides what follows from the courier's report.
func (r *round) ended(ctx context.Context, t *target, snap *snapshot, rep courier.Report) {
	switch {
	case rep.Verdict == courier.Delivered:
		r.metrics.Delivered.WithLabelValues(string(r.name)).Inc()
		r.mu.Lock()
		r.synced[t.id] = time.Now().Unix()
		r.mu.Unlock()
	case rep.Verdict == courier.Refused && !t.again && ctx.Err() == nil:
		r.bury(ctx, t, snap, rep)
		return
	default: // a newer one takes its place
		r.discard(snap)
		r.over(t, false)
		r.want(t)
		return
	}
	r.discard(snap)
	r.over(t, true)
}

// over ends the work on a room; answered tells that its triggers have been answered.
func (r *round) over(t *target, answered bool) {
	r.out--
	t.busy = false
	if answered {
		t.triggers = t.triggers[t.taken:]
	}
	if t.again {
		r.want(t)
	}
}

// bury makes the exact bytes durable as a dead letter.
func (r *round) bury(ctx context.Context, t *target, snap *snapshot, rep courier.Report) {
	head := letterHead{
		V: 1, ID: snap.id, Stream: string(r.name), Room: t.id, First: -1, Last: -1, Bytes: snap.body.Size(),
		Reason: rep.Last.Outcome.String() + ": " + rep.Last.Reason, Attempts: rep.Attempts, AtMS: time.Now().UnixMilli(),
	}
	r.jobs.Add(1)
	go func() {
		defer r.jobs.Done()
		_, err := writeLetter(ctx, r.letters, t.partition, head, snap.body)
		r.mail.post(func() {
			r.discard(snap)
			if err != nil {
				if ctx.Err() == nil {
					r.err = err
				}
				return
			}
			r.metrics.DeadLetters.WithLabelValues(string(r.name)).Inc()
			r.log.Warn("delivery is dead-lettered", "id", snap.id, "reason", head.Reason, "attempts", head.Attempts)
			r.over(t, true)
		})
	}()
}
