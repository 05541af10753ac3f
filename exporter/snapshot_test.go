package exporter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/exporter/body"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
	"splitsync/internal/testkit"
)

// withHistory gives a rig a ClickHouse.
func (r *rig) withHistory() *rig {
	r.t.Helper()
	addr, database := testkit.ClickHouse(r.t)
	store, err := history.Open(r.t.Context(), history.Config{Addr: []string{addr}, Database: database, Username: "default"}, testkit.Log(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.history = store
	return r
}

// found creates a room as gateway and ingest would: the event, then the registers.
func (r *rig) found(room string) {
	r.t.Helper()
	offset := r.tell(&event.RoomCreated{RoomID: room, RoomName: "The " + room, AdminUserIDs: []string{"root"}})
	seq := r.log.Meta().SeqOf(offset)
	r.put(room, event.AspectMeta, event.MetaRegister{Seq: seq, RoomName: "The " + room, CreatedAtMS: 1_700_000_000_000})
	r.put(room, event.AspectAdmins, event.AdminsRegister{Seq: seq, AdminUserIDs: []string{"root"}})
	r.put(room, event.AspectStats, event.StatsRegister{
		Seq: seq, Stats: event.Stats{PeakUsers: 3, TotalJoins: 9}, LastActivityMS: 1_700_000_005_000,
	})
	row := history.RoomRow{RoomID: room, Aspect: history.AspectCreated, Seq: seq, At: 1_700_000_000_000, RoomName: "The " + room, AdminUserIDs: []string{"root"}}
	if err := r.history.Insert(r.t.Context(), &history.Block{Rooms: []history.RoomRow{row}}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) put(room string, aspect event.Aspect, value any) {
	r.t.Helper()
	w, err := rooms.OpenWriter(r.t.Context(), r.log)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = w.Close(context.Background()) }()
	if _, err := w.Put(r.t.Context(), rooms.Register{Key: event.RegisterKey{Room: room, Aspect: aspect}, Value: value}); err != nil {
		r.t.Fatal(err)
	}
}

// store writes n messages and one session of a room to the history.
func (r *rig) store(room string, n int) {
	r.t.Helper()
	var b history.Block
	meta := r.log.Meta()
	for i := range int64(n) {
		at := 1_700_000_001_000 + i
		b.Messages = append(b.Messages, history.MessageRow{
			RoomID: room, CreatedAt: at, Seq: meta.SeqOf(i), MessageID: meta.MessageID(at, 0, i), Kind: string(event.KindMessage),
			UserID: "ann", Nickname: "Ann", Content: fmt.Sprintf("%s %d <&>", room, i), Offset: uint64(i),
		})
	}
	b.Sessions = []history.SessionRow{{
		RoomID: room, JoinTime: 1_700_000_000_500, SessionID: room + "-1", UserID: "ann", Nickname: "Ann", JoinSeq: meta.SeqOf(1),
		LeaveSeq: meta.SeqOf(2), LeaveTime: 1_700_000_002_500, LeaveReason: string(event.LeaveLeft),
	}}
	if err := r.history.Insert(r.t.Context(), &b); err != nil {
		r.t.Fatal(err)
	}
}

// ask demands a sync as POST /management/sync does.
func (r *rig) ask() {
	r.t.Helper()
	value, err := event.Marshal(event.SyncRequest{RequestedAtMS: time.Now().UnixMilli()})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.producer(event.Control).Append(r.t.Context(), 0, kafkalog.Outgoing{Key: []byte(event.SyncNowKey), Value: value}); err != nil {
		r.t.Fatal(err)
	}
}

func TestPeriodicSyncOnDemandAndByInterval(t *testing.T) {
	r, to := newRig(t, 2).withHistory(), testkit.NewReceiver(t)
	r.found("lobby")
	r.found("attic")
	r.store("lobby", 7)
	cfg := quick()
	cfg.PeriodicSync.URL = to.URL()
	r.ask()
	run := r.start(cfg, nil)
	byRoom := map[string]event.PeriodicBody{}
	for _, req := range to.WaitForAccepted(patience, 2) {
		var b event.PeriodicBody
		if err := json.Unmarshal(req.Body, &b); err != nil {
			t.Fatal(err)
		}
		byRoom[b.RoomID] = b
		checkHash(t, req)
	}
	b := byRoom["lobby"]
	if b.EventType != "periodic_sync" || b.RoomInfo.RoomName != "The lobby" || b.RoomInfo.CreatedAt != 1_700_000_000 || b.Stats.TotalMessages != 7 ||
		b.Stats.PeakUsers != 3 || b.Stats.TotalJoins != 9 || b.LastSyncTime != 0 || byRoom["attic"].RoomID == "" {
		t.Errorf("%+v", byRoom)
	}
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	cfg.SyncInterval = 200 * time.Millisecond
	before := len(to.Accepted())
	r.start(cfg, nil)
	accepted := to.WaitForAccepted(patience, before+8)[before:]
	counts := map[string]int{}
	for _, req := range accepted {
		counts[strings.Split(req.ID, ":")[3]]++
	}
	if counts["lobby"] < 2 || counts["attic"] < 2 {
		t.Errorf("rounds are not fair: %v", counts)
	}
}

// checkHash checks that the id of a snapshot ends in the hash of its body without the id.
func checkHash(t *testing.T, req testkit.Received) {
	t.Helper()
	without := bytes.Replace(req.Body, []byte(req.ID), nil, 1)
	if strings.HasPrefix(req.ID, "legacy:") {
		without = bytes.Replace(req.Body, []byte(`,"event_id":"`+req.ID+`"}`), nil, 1)
	}
	if !strings.HasSuffix(req.ID, ":"+body.Hash(without)) {
		t.Errorf("the id %s does not end in the hash of the body", req.ID)
	}
}

// legacyBody is the old server's object.
type legacyBody struct {
	event.LegacyRoom
	ChatHistory    []event.ChatRecord    `json:"chat_history"`
	SessionHistory []event.SessionRecord `json:"session_history"`
	Truncated      bool                  `json:"truncated"`
	EventType      *string               `json:"event_type"`
}

func TestLegacyObjectAtCreationAndAfterIngestAtTheEnd(t *testing.T) {
	r, to := newRig(t, 2).withHistory(), testkit.NewReceiver(t)
	cfg := quick()
	cfg.Data.URL, cfg.Data.MaxRecords = to.URL(), 5
	run := r.start(cfg, nil)
	testkit.Eventually(t, patience, func() error {
		for p := range 2 {
			if _, ok := run.control.start(Legacy, p); !ok {
				return fmt.Errorf("the stream has not begun in partition %d", p)
			}
		}
		return nil
	})
	r.found("lobby")
	created := to.WaitForAccepted(patience, 1)[0]
	if b := legacy(t, created); len(b.ChatHistory) != 0 || b.RoomID != "lobby" || b.StartTime != 1_700_000_000 || len(b.AdminUserIDs) != 1 || b.EventType != nil {
		t.Errorf("%+v", b)
	}
	r.say("lobby", 0, 8)
	closing := r.tell(&event.RoomClosed{RoomID: "lobby"})
	r.put("lobby", event.AspectClosed, event.ClosedRegister{Seq: r.log.Meta().SeqOf(closing), ClosedAtMS: 1_700_000_009_000})
	// ingest stores the messages, and only then commits; the object must not be made before.
	r.store("lobby", 8)
	if n := len(to.Accepted()); n != 1 {
		t.Fatalf("%d objects were sent before ingest had passed the closing", n)
	}
	r.commitIngest()
	ended := to.WaitForAccepted(patience, 2)[1]
	b := legacy(t, ended)
	if len(b.ChatHistory) != 5 || b.ChatHistory[4].Content != "lobby 7 <&>" || len(b.SessionHistory) != 1 || !b.Truncated || b.Nested.TotalJoins != 9 || b.PeakUsers != 3 {
		t.Errorf("%+v", b)
	}
	checkHash(t, ended)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
}

func legacy(t *testing.T, req testkit.Received) legacyBody {
	t.Helper()
	var b legacyBody
	if err := json.Unmarshal(req.Body, &b); err != nil {
		t.Fatalf("%s: %v", req.Body, err)
	}
	return b
}

// commitIngest commits, as ingest, everything that is in the log.
func (r *rig) commitIngest() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	err := r.log.Consume(ctx, ingestGroup, []event.Topic{event.Chat, event.Sessions}, func(_ context.Context, g *kafkalog.Generation) error {
		var commits []kafkalog.Commit
		for _, c := range g.Claims() {
			_, end, err := r.log.Offsets(ctx, c.Topic, c.Partition)
			if err != nil {
				return err
			}
			commits = append(commits, kafkalog.Commit{Topic: c.Topic, Partition: c.Partition, Offset: end})
		}
		err := g.Commit(ctx, commits...)
		cancel()
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestSnapshotsKeepOnlyTheNewestWhileTheReceiverIsDown(t *testing.T) {
	r, to := newRig(t, 1).withHistory(), testkit.NewReceiver(t)
	r.found("lobby")
	to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 503} })
	cfg := quick()
	cfg.PeriodicSync.URL, cfg.MaxRetries = to.URL(), 1
	run := r.start(cfg, nil)
	r.ask()
	to.WaitFor(patience, func(got []testkit.Received) error {
		if len(got) < 3 {
			return fmt.Errorf("%d requests", len(got))
		}
		return nil
	})
	first := to.Requests()[0].ID
	r.store("lobby", 4)
	r.ask()
	to.WaitFor(patience, func(got []testkit.Received) error {
		if got[len(got)-1].ID == first {
			return fmt.Errorf("still the old snapshot")
		}
		return nil
	})
	if st := run.Status()[Periodic]; st.State != Paused {
		t.Errorf("the stream is %s", st.State)
	}
	to.Decide(nil)
	got := to.WaitForAccepted(patience, 1)
	var b event.PeriodicBody
	if err := json.Unmarshal(got[0].Body, &b); err != nil || b.Stats.TotalMessages != 4 {
		t.Errorf("%s %v", got[0].Body, err)
	}
	if err := to.SameBytes(); err != nil {
		t.Error(err)
	}
}
