package exporter

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"splitsync/event"
	"splitsync/exporter/courier"
	"splitsync/exporter/send"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
)

// builders is how many snapshots are made at once a stream.
const builders = 4

// snapshot is one body about a room as it is now.
type snapshot struct {
	id      string
	body    send.Body
	discard func()
}

// snapshots is a stream of bodies about rooms: periodic or legacy. A room's snapshot is made when it can be sent, so that the newest is.
type snapshots struct {
	*stream
	rooms *rooms.Directory
	build func(ctx context.Context, room rooms.Room, lastSync int64) (*snapshot, error)
	// triggers tells whether rooms that are created or closed are sent at once (legacy).
	triggers bool

	mu      sync.Mutex
	synced  map[string]int64 // room → Unix seconds of its last snapshot that was delivered by this process
	handled int64            // newest demand that was taken up, Unix milliseconds
}

// round is the work of one generation; all of it but the channels belongs to the goroutine of run.
type round struct {
	*snapshots
	gen     lease
	courier *courier.Courier
	mail    *mail
	owned   map[int]*source
	rooms   map[string]*target
	queue   []*target // wanted, oldest first
	out     int       // targets that are being made or sent
	jobs    sync.WaitGroup
	builds  chan struct{}
	held    sync.Map // func() that gives back a body → nothing
	err     error
}

// target is a room that snapshots are made of.
type target struct {
	id        string
	partition int
	slot      int64 // the last interval that was taken up
	wanted    bool  // in the queue
	busy      bool
	again     bool // wanted once more while busy
	stale     atomic.Bool
	failed    bool
	taken     int // triggers that the snapshot under way answers
	triggers  []trigger
}

// run takes part in the stream's group until ctx ends.
func (s *snapshots) run(ctx context.Context) error {
	defer s.client.Close()
	select {
	case <-s.rooms.Ready():
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.kafka.Consume(ctx, s.name.group(), []event.Topic{s.topic}, s.generation)
}

func (s *snapshots) generation(ctx context.Context, g *kafkalog.Generation) error {
	r := &round{
		snapshots: s, gen: g, courier: courier.New(s.cfg.courier(), s.sender(), s.breaker, s.log), mail: newMail(),
		owned: map[int]*source{}, rooms: map[string]*target{}, builds: make(chan struct{}, builders),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		r.courier.Run(ctx)
		return nil
	})
	seen := make(chan triggered)
	for _, claim := range g.Claims() {
		src := &source{claim: claim, position: -1, committed: -1}
		r.owned[claim.Partition] = src
		if s.triggers {
			group.Go(func() error { return r.follow(ctx, src, seen) })
		}
	}
	group.Go(func() error { return r.run(ctx, seen) })
	err := group.Wait()
	r.jobs.Wait()
	for _, f := range r.mail.take() {
		f()
	}
	r.held.Range(func(snap, _ any) bool { // what the courier had not ended
		snap.(*snapshot).discard()
		return true
	})
	var gone *kafkalog.OvertakenError
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

func (r *round) run(ctx context.Context, seen <-chan triggered) error {
	every := tick
	if r.cfg.SyncInterval > 0 {
		every = min(max(r.cfg.SyncInterval/20, 10*time.Millisecond), time.Second)
	}
	clock := time.NewTicker(every)
	defer clock.Stop()
	_, asked := r.register.requested()
	r.schedule(time.Now(), true)
	r.demand()
	for r.err == nil {
		r.work(ctx)
		select {
		case <-ctx.Done():
			r.drain()
			return ctx.Err()
		case t := <-seen:
			r.see(t)
		case <-asked:
			_, asked = r.register.requested()
			r.demand()
		case <-r.mail.bell:
			for _, f := range r.mail.take() {
				f()
			}
		case <-clock.C:
			r.schedule(time.Now(), false)
			r.commit(ctx)
		}
	}
	return r.err
}

// drain takes the last reports of the courier.
func (r *round) drain() {
	<-r.courier.Ended()
	for _, f := range r.mail.take() {
		f()
	}
}

// schedule wants the rooms whose slot of the interval has come. Slots are spread by the hash of the room, so that every process agrees.
func (r *round) schedule(now time.Time, first bool) {
	interval := r.cfg.SyncInterval.Milliseconds()
	if interval <= 0 {
		return
	}
	for _, room := range r.snapshots.rooms.List() {
		t, fresh := r.target(room.ID)
		if t == nil || room.Closed {
			continue
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(room.ID))
		slot := (now.UnixMilli() - int64(h.Sum32())%interval) / interval
		if !first && !fresh && slot > t.slot {
			r.want(t)
		}
		t.slot = slot
	}
}

// target returns the state of a room of our partitions, else nil.
func (r *round) target(room string) (t *target, fresh bool) {
	if t := r.rooms[room]; t != nil {
		return t, false
	}
	p := r.kafka.PartitionOf(room)
	if r.owned[p] == nil {
		return nil, false
	}
	t = &target{id: room, partition: p}
	r.rooms[room] = t
	return t, true
}

// demand wants all open rooms if somebody has asked since.
func (r *round) demand() {
	newest, _ := r.register.requested()
	r.mu.Lock()
	due := newest > r.handled
	r.handled = max(r.handled, newest)
	r.mu.Unlock()
	if !due {
		return
	}
	for _, room := range r.snapshots.rooms.List() {
		if t, _ := r.target(room.ID); t != nil && !room.Closed {
			r.want(t)
		}
	}
}

// want queues a room once. What is under way and has failed is replaced by the newer one.
func (r *round) want(t *target) {
	switch {
	case t.busy:
		t.again = true
		t.stale.Store(t.failed)
	case !t.wanted:
		t.wanted = true
		r.queue = append(r.queue, t)
	}
}

// work starts what may start. Few bodies exist at a time: the others are made when their turn comes.
func (r *round) work(ctx context.Context) {
	for len(r.queue) > 0 && r.out < 2*r.cfg.courier().Concurrency {
		t := r.queue[0]
		r.queue = r.queue[1:]
		t.wanted, t.busy, t.again, t.failed, t.taken = false, true, false, false, len(t.triggers)
		t.stale.Store(false)
		r.out++
		r.jobs.Add(1)
		go func() {
			defer r.jobs.Done()
			r.make(ctx, t, append([]trigger(nil), t.triggers...))
		}()
	}
	r.progress(-1, int64(len(r.queue)+r.out), -1)
}
