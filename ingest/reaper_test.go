package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/devstack"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// quick are times that a test can wait for.
func quick(s *Settings) {
	s.Reaper = ReaperTimes{ProbeEvery: 150 * time.Millisecond, Silence: 900 * time.Millisecond, Probes: 3}
}

// beat writes heartbeats of an incarnation until the function that it returns is called.
func (f *fixture) beat(incarnation string) (stop func()) {
	f.t.Helper()
	p := f.producer(event.Gateways)
	one := func() {
		value, err := event.Marshal(event.Heartbeat{AtMS: time.Now().UnixMilli()})
		if err != nil {
			f.t.Error(err)
		}
		if _, err := p.Append(f.t.Context(), 0, kafkalog.Outgoing{Key: []byte(incarnation), Value: value}); err != nil && f.t.Context().Err() == nil {
			f.t.Error(err)
		}
	}
	one()
	ctx, cancel := context.WithCancel(f.t.Context())
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				one()
			}
		}
	}()
	stop = func() { cancel(); wg.Wait() }
	f.t.Cleanup(stop)
	return stop
}

// join puts the beginning of a session into the log as its gateway does, and returns how the gateway would tell its end.
func (f *fixture) join(gateway *kafkalog.Producer, room, session string) *event.UserLeft {
	f.t.Helper()
	now := time.Now().UnixMilli()
	j := &event.UserJoined{RoomID: room, UserID: "user of " + session, Nickname: "n", SessionID: session, Incarnation: gateway.Incarnation()}
	offset, err := gateway.AppendEvent(f.t.Context(), j, now)
	if err != nil {
		f.t.Fatal(err)
	}
	return &event.UserLeft{
		RoomID: room, UserID: j.UserID, Nickname: "n", SessionID: session, Incarnation: j.Incarnation, Reason: event.LeaveLeft,
		JoinTimeMS: now, JoinSeq: f.log.Meta().SeqOf(offset),
	}
}

// ends returns the ends of sessions in the log: how often each session's stands there, duplicates too.
func (f *fixture) ends() map[string][]*event.UserLeft {
	f.t.Helper()
	out := map[string][]*event.UserLeft{}
	for p := range f.log.Meta().Partitions {
		_, end, err := f.log.Offsets(f.t.Context(), event.Sessions, p)
		if err != nil {
			f.t.Fatal(err)
		}
		tail, err := f.log.OpenTail(f.t.Context(), event.Sessions, p, kafkalog.Start)
		if err != nil {
			f.t.Fatal(err)
		}
		for tail.Position() < end {
			entries, err := tail.Next(f.t.Context())
			if err != nil {
				f.t.Fatal(err)
			}
			for _, e := range entries {
				if left, ok := e.Event.(*event.UserLeft); ok {
					out[left.SessionID] = append(out[left.SessionID], left)
				}
			}
		}
	}
	return out
}

func TestReaperClosesTheSessionsOfADeadGatewayOnce(t *testing.T) {
	f := newFixture(t, 3)
	dead, live := f.producer(event.Sessions), f.producer(event.Sessions)
	deadID := dead.Incarnation()
	stopBeats := f.beat(deadID)
	f.beat(live.Incarnation())
	var open []string
	for i := range 20 {
		session := fmt.Sprintf("dead-%d", i)
		left := f.join(dead, fmt.Sprintf("room-%d", i%5), session)
		if i < 4 {
			if _, err := dead.AppendEvent(t.Context(), left, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		open = append(open, session)
	}
	f.join(live, "room-1", "live-1")
	first := f.ingest(quick)
	f.waitCommitted(20 * time.Second)
	if n := f.number("SELECT countIf(leave_time IS NULL) FROM $user_sessions"); n != 17 {
		t.Fatalf("%d open sessions before the death, want 17", n)
	}
	stopBeats()
	diedAt := time.Now().UnixMilli()
	closed := func() error {
		if n := f.number("SELECT countIf(leave_reason = 'gateway_lost') FROM $user_sessions"); n != int64(len(open)) {
			return fmt.Errorf("%d of %d sessions closed", n, len(open))
		}
		return nil
	}
	testkit.Eventually(t, 20*time.Second, closed)
	if _, err := dead.AppendEvent(t.Context(), &event.UserJoined{RoomID: "room-1", UserID: "u", Nickname: "n", SessionID: "late", Incarnation: deadID}, 0); !errors.Is(err, kafkalog.ErrFenced) {
		t.Errorf("the dead gateway could still write: %v", err)
	}
	f.stop(first)
	second := f.ingest(quick) // another reaper finds nothing to do
	testkit.Eventually(t, 20*time.Second, func() error {
		if probes, _ := second.presence.Silence(""); probes < 12 {
			return fmt.Errorf("%d probes", probes)
		}
		return nil
	})
	for session, lefts := range f.ends() {
		lost := slices.Contains(open, session)
		if len(lefts) != 1 || lost != (lefts[0].Reason == event.LeaveGatewayLost) {
			t.Errorf("%s ended %d times, first %s", session, len(lefts), lefts[0].Reason)
		}
		if at := lefts[0].LeaveTimeMS; lost && (at < lefts[0].JoinTimeMS || at > diedAt) {
			t.Errorf("%s ended at %d, joined at %d, died at %d", session, at, lefts[0].JoinTimeMS, diedAt)
		}
	}
	if n := f.number("SELECT count() FROM $user_sessions WHERE session_id = 'live-1' AND leave_time IS NULL"); n != 1 {
		t.Errorf("%d live sessions, want 1", n)
	}
}

// A gateway whose heartbeats are gone from the topic is dead all the same.
func TestReaperKnowsGatewaysWithoutHeartbeats(t *testing.T) {
	f := newFixture(t, 2)
	dead := f.producer(event.Sessions)
	want := f.join(dead, "room-1", "s1").JoinTimeMS
	f.ingest(quick)
	testkit.Eventually(t, 20*time.Second, func() error {
		if n := f.number("SELECT countIf(leave_reason = 'gateway_lost') FROM $user_sessions"); n != 1 {
			return fmt.Errorf("%d sessions closed", n)
		}
		return nil
	})
	if got := f.number("SELECT toUnixTimestamp64Milli(assumeNotNull(leave_time)) FROM $user_sessions"); got != want {
		t.Errorf("ended at %d, want its join %d", got, want)
	}
}

// An incarnation that names no producer cannot be fenced; it neither stops the reaping of others nor keeps its sessions open.
func TestReaperPassesAnIncarnationThatIsNone(t *testing.T) {
	f := newFixture(t, 1)
	dead := f.producer(event.Sessions)
	f.join(dead, "room-1", "s1")
	foreign := &event.UserJoined{RoomID: "room-1", UserID: "u", Nickname: "n", SessionID: "s2", Incarnation: "another writer"}
	if _, err := dead.AppendEvent(t.Context(), foreign, 0); err != nil {
		t.Fatal(err)
	}
	f.ingest(quick)
	testkit.Eventually(t, 20*time.Second, func() error {
		if n := f.number("SELECT countIf(leave_reason = 'gateway_lost') FROM $user_sessions"); n != 2 {
			return fmt.Errorf("%d of 2 sessions closed", n)
		}
		return nil
	})
}

// An outage of the log stops heartbeats and probes alike and ends nobody's session.
func TestReaperKillsNobodyForAnOutageOfTheLog(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	f := newFixtureOn(t, kafkalog.Config{Brokers: []string{broker.Addr()}, TopicPrefix: testkit.Prefix(t),
		Partitions: 2, ReplicationFactor: 1, RetentionHours: 168})
	live := f.producer(event.Sessions)
	f.beat(live.Incarnation())
	f.join(live, "room-1", "live-1")
	in := f.ingest(func(s *Settings) {
		s.Reaper = ReaperTimes{ProbeEvery: 200 * time.Millisecond, Silence: 3 * time.Second, Probes: 3}
	})
	f.waitCommitted(20 * time.Second)
	probes := func() int {
		n, _ := in.presence.Silence("")
		return n
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		if probes() < 2 {
			return errors.New("no probes yet")
		}
		return nil
	})
	broker.Stop()
	outage := time.Now()
	testkit.Eventually(t, 20*time.Second, func() error {
		if time.Since(outage) < 4*time.Second {
			return errors.New("the outage lasts")
		}
		return nil
	})
	before := probes()
	broker.Start()
	testkit.Eventually(t, 40*time.Second, func() error {
		if n := probes() - before; n < 12 {
			return fmt.Errorf("%d probes since the outage", n)
		}
		return nil
	})
	f.waitCommitted(20 * time.Second)
	if n := f.number("SELECT countIf(leave_time IS NULL) FROM $user_sessions"); n != 1 || len(f.ends()) != 0 {
		t.Errorf("%d open sessions, ends %v", n, f.ends())
	}
}

// fakeLife is a projection of gateways that a test writes.
type fakeLife map[string]sighting

func (l fakeLife) LastHeartbeat(id string) (int64, bool)  { return l[id].beatMS, l[id].beatMS != 0 }
func (l fakeLife) Silence(id string) (int, time.Duration) { return l[id].probes, l[id].span }

func TestWhoIsDead(t *testing.T) {
	type look struct {
		now     sighting
		forgive bool
		dead    bool
	}
	sec := time.Second
	for name, looks := range map[string][]look{
		"silent since its heartbeat":     {{sighting{1, 1, 0}, false, false}, {sighting{1, 3, 14 * sec}, false, false}, {sighting{1, 4, 15 * sec}, false, true}},
		"too few probes":                 {{sighting{1, 2, 60 * sec}, false, false}},
		"a heartbeat in between":         {{sighting{1, 3, 14 * sec}, false, false}, {sighting{2, 1, 0}, false, false}, {sighting{2, 3, 14 * sec}, false, false}},
		"never beat, first seen late":    {{sighting{0, 50, 500 * sec}, false, false}, {sighting{0, 52, 516 * sec}, false, false}, {sighting{0, 53, 520 * sec}, false, true}},
		"joined before its first beat":   {{sighting{0, 50, 500 * sec}, false, false}, {sighting{7, 0, 0}, false, false}, {sighting{7, 2, 5 * sec}, false, false}},
		"the log did not answer between": {{sighting{1, 2, 8 * sec}, true, false}, {sighting{1, 3, 70 * sec}, false, false}, {sighting{1, 4, 74 * sec}, false, false}, {sighting{1, 6, 90 * sec}, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			life := fakeLife{}
			r := &reaper{s: &Server{cfg: Settings{}.withDefaults()}, life: life, sightings: map[string]sighting{}}
			for i, l := range looks {
				life["g"] = l.now
				dead := r.watch([]string{"g"})
				if l.forgive {
					r.forgive()
				}
				if (len(dead) == 1) != l.dead {
					t.Errorf("look %d: dead %v, want %v", i, dead, l.dead)
				}
			}
		})
	}
}
