package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// reaper ends the sessions of gateways that died. It runs with the owner of partition 0 of sessions, for one generation.
//
// A gateway's incarnation is dead when our own probes stand in gateways without a heartbeat of it among them, enough of them and over enough
// log time: an outage of the log stops probes and heartbeats alike and kills nobody. A dead incarnation is fenced at the broker, so that
// nothing of it can come later; when everything that stood in the log then has been stored, what is still open in ClickHouse is what it
// left open. A reaper that dies between any two steps leaves nothing that the next one, doing all of them again, would tell twice.
type reaper struct {
	s         *Server
	g         *kafkalog.Generation
	life      liveness
	sightings map[string]sighting // candidates
	fenced    map[string]bool
}

// liveness is what the reaper asks the projection of gateways.
type liveness interface {
	LastHeartbeat(incarnation string) (ms int64, ok bool)
	Silence(incarnation string) (probes int, span time.Duration)
}

// sighting is where the silence of an incarnation is counted from.
type sighting struct {
	beatMS int64 // its last heartbeat then; 0 = none known
	probes int
	span   time.Duration
}

// run probes and reaps until ctx ends. What fails is tried again with the next probe.
func (r *reaper) run(ctx context.Context) error {
	select {
	case <-r.s.presence.Ready():
	case <-ctx.Done():
		return nil
	}
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		if err := r.round(ctx); err != nil && ctx.Err() == nil {
			r.s.throttle.Warn("reaper", "session reaper could not finish a round, trying on", "error", err.Error())
		}
		wait.Reset(r.s.cfg.Reaper.ProbeEvery) // from the end of the round: probes never come closer than that
	}
}

// round probes once, and closes the sessions of the incarnations that are dead then.
func (r *reaper) round(ctx context.Context) error {
	began := time.Now()
	if err := r.probe(ctx); err != nil {
		r.forgive()
		return err
	}
	if time.Since(began) > r.s.cfg.Reaper.ProbeEvery {
		r.forgive()
	}
	candidates, err := r.s.store.OpenIncarnations(ctx)
	if err != nil {
		return fmt.Errorf("list incarnations of open sessions: %w", err)
	}
	var dead []string
	for _, id := range r.watch(candidates) {
		if err := r.fence(ctx, id); err != nil {
			return err
		}
		dead = append(dead, id)
	}
	if len(dead) == 0 {
		return nil
	}
	if err := r.waitStored(ctx); err != nil {
		return err
	}
	for _, id := range dead {
		if err := r.close(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// probe appends a probe and waits until our own presence has applied it.
func (r *reaper) probe(ctx context.Context) error {
	before, _ := r.life.Silence("")
	if err := r.s.probes.Probe(ctx, r.s.presence); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return poll(ctx, 20*time.Millisecond, func() (bool, error) {
		now, _ := r.life.Silence("")
		return now > before, nil
	})
}

// forgive starts all silences anew: the log did not answer for a while, so that heartbeats may be late too.
func (r *reaper) forgive() {
	for id := range r.sightings {
		r.sightings[id] = r.sight(id)
	}
}

func (r *reaper) sight(id string) sighting {
	s := sighting{}
	s.beatMS, _ = r.life.LastHeartbeat(id)
	s.probes, s.span = r.life.Silence(id)
	return s
}

// watch returns the dead ones among the incarnations that have open sessions. Silence counts from the last heartbeat; without any, from the
// moment at which the incarnation was first seen here: a gateway's first join may come before its first heartbeat.
func (r *reaper) watch(candidates []string) (dead []string) {
	next := make(map[string]sighting, len(candidates))
	times := r.s.cfg.Reaper
	for _, id := range candidates {
		now := r.sight(id)
		from, known := r.sightings[id]
		switch {
		case !known && now.beatMS == 0:
			from = now
		case !known:
			from = sighting{beatMS: now.beatMS}
		case from.beatMS != now.beatMS || now.probes < from.probes:
			from = sighting{beatMS: now.beatMS}
		}
		next[id] = from
		if now.probes-from.probes >= times.Probes && now.span-from.span >= times.Silence {
			dead = append(dead, id)
		}
	}
	r.sightings = next
	return dead
}

// fence ends an incarnation in every partition of sessions. A fence that stands already is left as it is.
func (r *reaper) fence(ctx context.Context, id string) error {
	if r.fenced[id] {
		return nil
	}
	rec, err := kafkalog.Encode(&event.GatewayFence{Incarnation: id}, time.Now().UnixMilli())
	if err != nil {
		return err
	}
	for p := range r.s.log.Meta().Partitions {
		if !r.g.Live() {
			return kafkalog.ErrLeaseExpired
		}
		_, err := r.s.log.Fence(ctx, event.Sessions, p, id, rec)
		if errors.Is(err, kafkalog.ErrNotIncarnation) { // another writer's name: there is no producer to fence, its sessions end all the same
			r.s.logger.Warn("incarnation of open sessions cannot be fenced", "incarnation", id)
			break
		}
		if err != nil {
			return err
		}
	}
	r.fenced[id] = true
	r.s.metrics.Fenced.Inc()
	r.s.logger.Warn("gateway is dead, its incarnation was fenced", "incarnation", id)
	return nil
}

// waitStored returns when everything that stands in sessions now has been committed by whoever owns it: the fences, what the dead gateways
// wrote before them, and what an earlier reaper appended.
func (r *reaper) waitStored(ctx context.Context) error {
	ends := map[int]int64{}
	for p := range r.s.log.Meta().Partitions {
		_, end, err := r.s.log.Offsets(ctx, event.Sessions, p)
		if err != nil {
			return err
		}
		ends[p] = end
	}
	return poll(ctx, 100*time.Millisecond, func() (bool, error) {
		commits, err := r.s.log.Committed(ctx, Group, event.Sessions)
		if err != nil {
			return false, err
		}
		for p, end := range ends {
			if end > max(commits[p], 0) {
				return false, nil
			}
		}
		return true, nil
	})
}

// close appends the ends of all open sessions of an incarnation and waits until they are durable.
func (r *reaper) close(ctx context.Context, id string) error {
	open, err := r.s.store.OpenSessions(ctx, id)
	if err != nil {
		return fmt.Errorf("list open sessions of %s: %w", id, err)
	}
	seen, _ := r.life.LastHeartbeat(id)
	for _, o := range open {
		seen = max(seen, o.JoinTimeMS) // a sign of life, where the heartbeats are gone already
	}
	answers := make(chan error, len(open))
	sent := 0
	for _, o := range open {
		if err = r.send(ctx, leftOf(o, seen), answers); err != nil {
			break
		}
		sent++
	}
	for range sent {
		if aerr := <-answers; aerr != nil {
			err = errors.Join(err, aerr)
			continue
		}
		r.s.metrics.Reaped.Inc()
	}
	if err != nil {
		return fmt.Errorf("close sessions of %s: %w", id, err)
	}
	if sent > 0 {
		r.s.logger.Warn("sessions of a dead gateway were closed", "incarnation", id, "sessions", sent)
	}
	return nil
}

// send queues one end of a session, waiting for room; it sends nothing when our lease has run out.
func (r *reaper) send(ctx context.Context, left *event.UserLeft, answers chan<- error) error {
	rec, err := kafkalog.Encode(left, 0)
	if err != nil {
		return err
	}
	return poll(ctx, 5*time.Millisecond, func() (bool, error) {
		if !r.g.Live() {
			return false, kafkalog.ErrLeaseExpired
		}
		err := r.s.sessions.Send(r.s.log.PartitionOf(left.RoomID), rec, func(_ int64, err error) { answers <- err })
		if errors.Is(err, kafkalog.ErrQueueFull) {
			return false, nil
		}
		return err == nil, err
	})
}

// leftOf tells the end of a session that its gateway did not tell.
func leftOf(o history.OpenSession, lastSignMS int64) *event.UserLeft {
	return &event.UserLeft{
		RoomID: o.RoomID, UserID: o.UserID, Nickname: o.Nickname, SessionID: o.SessionID, Incarnation: o.Incarnation,
		Reason: event.LeaveGatewayLost, JoinTimeMS: o.JoinTimeMS, JoinSeq: o.JoinSeq, LeaveTimeMS: max(o.JoinTimeMS, lastSignMS),
	}
}

// poll asks until the answer is yes or an error, or ctx ends.
func poll(ctx context.Context, every time.Duration, ask func() (bool, error)) error {
	if yes, err := ask(); yes || err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if yes, err := ask(); yes || err != nil {
				return err
			}
		}
	}
}
