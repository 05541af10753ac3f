package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
	"splitsync/internal/testkit"
)

// crowd joins and leaves rooms and folds that by itself.
type crowd struct {
	f      *fixture
	random *rand.Rand
	rooms  []string
	open   map[string][]*event.UserLeft // how the open sessions will end
	want   map[string]event.Stats
	next   int
}

func newCrowd(f *fixture, n int, seed uint64) *crowd {
	c := &crowd{f: f, random: rand.New(rand.NewPCG(seed, 2)), open: map[string][]*event.UserLeft{}, want: map[string]event.Stats{}}
	for i := range n {
		c.rooms = append(c.rooms, fmt.Sprintf("room-%d", i))
	}
	return c
}

// move makes n joins and leaves; some leaves come twice, as after a lost answer.
func (c *crowd) move(n int) {
	c.f.t.Helper()
	for range n {
		room := c.rooms[c.random.IntN(len(c.rooms))]
		stats := c.want[room]
		if open := c.open[room]; len(open) > 0 && c.random.IntN(2) == 0 {
			c.open[room] = open[1:]
			c.f.append(open[0])
			if c.random.IntN(4) == 0 {
				c.f.append(open[0])
			}
			stats.CurrentUsers--
		} else {
			c.next++
			c.open[room] = append(open, c.f.join(c.f.sessions, room, fmt.Sprint("session-", c.next)))
			stats.CurrentUsers++
			stats.TotalJoins++
			stats.PeakUsers = max(stats.PeakUsers, stats.CurrentUsers)
		}
		c.want[room] = stats
	}
}

// directory follows the topic rooms until the test ends.
func (f *fixture) directory() *rooms.Directory {
	d := rooms.Open(f.log)
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Error(err)
		}
	})
	return d
}

// create makes the rooms of a crowd known, without their registers: as if the gateway had died before it wrote them.
func (f *fixture) create(c *crowd) {
	f.t.Helper()
	for _, room := range c.rooms {
		f.append(&event.RoomCreated{RoomID: room, RoomName: "Room " + room, AdminUserIDs: []string{"boss"}})
	}
}

// waitStats waits until registers and rows tell what the crowd knows.
func (f *fixture) waitStats(d *rooms.Directory, c *crowd) {
	f.t.Helper()
	testkit.Eventually(f.t, 20*time.Second, func() error {
		for room, want := range c.want {
			if r, ok := d.Get(room); !ok || r.Stats != want {
				return fmt.Errorf("%s: register %+v, want %+v", room, r.Stats, want)
			}
		}
		return nil
	})
	for room, want := range c.want {
		got := f.query("SELECT current_users, peak_users, total_joins FROM $rooms WHERE room_id = '" + room + "'")
		if got != fmt.Sprintf("%d\t%d\t%d", want.CurrentUsers, want.PeakUsers, want.TotalJoins) {
			f.t.Errorf("%s: row %q, want %+v", room, got, want)
		}
	}
}

func TestStatsFollowTheLogOverRestarts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := newFixture(t, 2)
	d, c := f.directory(), newCrowd(f, 5, seed)
	f.create(c)
	for range 3 {
		in := f.ingest(nil)
		c.move(300)
		f.waitCommitted(20 * time.Second)
		f.stop(in)
		c.move(50) // while nobody ingests
	}
	f.ingest(nil)
	f.waitStats(d, c)
	if r, _ := d.Get("room-1"); r.Name != "Room room-1" || len(r.AdminUserIDs) != 1 {
		t.Errorf("the registers of the creation were not repaired: %+v", r)
	}
}

// An owner that stores and commits and dies before it writes the registers leaves them to the next one.
func TestStatsRegistersAreCaughtUp(t *testing.T) {
	f := newFixture(t, 2)
	d, c := f.directory(), newCrowd(f, 3, 1)
	f.create(c)
	in := f.ingest(nil, func(s *Server) {
		s.putRegisters = func(ctx context.Context, r ...rooms.Register) (int64, error) {
			if r[0].Key.Aspect == event.AspectStats {
				return 0, errDied
			}
			w, err := rooms.OpenWriter(ctx, s.log)
			if err != nil {
				return 0, err
			}
			offset, err := w.Put(ctx, r...)
			return offset, errors.Join(err, w.Close(ctx))
		}
	})
	c.move(200)
	f.waitCommitted(20 * time.Second)
	f.stop(in)
	for room := range c.want {
		if r, _ := d.Get(room); r.StatsSeq != 0 {
			t.Fatalf("%s has a register already", room)
		}
	}
	f.ingest(nil)
	f.waitStats(d, c)
}

// A register that a slow writer set back is written again.
func TestRegressedRegisterIsMended(t *testing.T) {
	f := newFixture(t, 1)
	d := f.directory()
	put := func(seq uint64, name string) {
		w, err := rooms.OpenWriter(t.Context(), f.log)
		if err != nil {
			t.Fatal(err)
		}
		r := rooms.Register{Key: event.RegisterKey{Room: "r", Aspect: event.AspectMeta}, Value: event.MetaRegister{Seq: seq, RoomName: name}}
		if _, err := w.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(9, "new")
	put(4, "old")
	testkit.Eventually(t, 10*time.Second, func() error {
		if len(d.Regressed()) != 1 {
			return errors.New("not seen yet")
		}
		return nil
	})
	f.ingest(nil)
	testkit.Eventually(t, 10*time.Second, func() error {
		if n := len(d.Regressed()); n != 0 {
			return fmt.Errorf("%d registers are set back", n)
		}
		return nil
	})
}

func TestTallyNeverGoesBelowZero(t *testing.T) {
	var v tally
	e := kafkalog.Entry{Event: &event.UserLeft{RoomID: "r"}}
	v.apply(&e)
	if v.CurrentUsers != 0 {
		t.Errorf("current %d", v.CurrentUsers)
	}
}
