package rooms

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

func entry(seq uint64, e event.Event) kafkalog.Entry {
	return kafkalog.Entry{Facts: kafkalog.Facts{Seq: seq, CreatedAt: int64(seq) * 10}, Event: e}
}

func TestProject(t *testing.T) {
	key := func(a event.Aspect, user string) event.RegisterKey {
		return event.RegisterKey{Room: "r", Aspect: a, User: user}
	}
	duplicate := entry(9, &event.RoomClosed{RoomID: "r"})
	duplicate.Duplicate = true
	for _, tt := range []struct {
		name string
		in   kafkalog.Entry
		want []Register
	}{
		{"created", entry(5, &event.RoomCreated{RoomID: "r", RoomName: "R", AdminUserIDs: []string{"a"}}), []Register{
			{key(event.AspectMeta, ""), event.MetaRegister{Seq: 5, RoomName: "R", CreatedAtMS: 50}},
			{key(event.AspectAdmins, ""), event.AdminsRegister{Seq: 5, AdminUserIDs: []string{"a"}}},
		}},
		{"closed", entry(6, &event.RoomClosed{RoomID: "r"}), []Register{{key(event.AspectClosed, ""), event.ClosedRegister{Seq: 6, ClosedAtMS: 60}}}},
		{"admins", entry(7, event.NewAdminsChanged("r", nil)), []Register{{key(event.AspectAdmins, ""), event.AdminsRegister{Seq: 7, AdminUserIDs: []string{}}}}},
		{"banned", entry(8, event.NewUserBanned("r", "u", "a")), []Register{{key(event.AspectBan, "u"), event.FlagRegister{Seq: 8, Active: true, By: "a"}}}},
		{"unbanned", entry(8, event.NewUserUnbanned("r", "u", "")), []Register{{key(event.AspectBan, "u"), event.FlagRegister{Seq: 8}}}},
		{"muted", entry(8, event.NewUserMuted("r", "u", "a")), []Register{{key(event.AspectMute, "u"), event.FlagRegister{Seq: 8, Active: true, By: "a"}}}},
		{"unmuted", entry(8, event.NewUserUnmuted("r", "u", "")), []Register{{key(event.AspectMute, "u"), event.FlagRegister{Seq: 8}}}},
		{"joined", entry(8, &event.UserJoined{RoomID: "r"}), nil},
		{"duplicate", duplicate, nil},
		{"undecodable", kafkalog.Entry{Err: event.ErrUnknown}, nil},
	} {
		if diff := cmp.Diff(tt.want, Project(tt.in)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func record(t testing.TB, r Register) kafkalog.Record {
	t.Helper()
	out, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return kafkalog.Record{Key: out.Key, Value: out.Value}
}

// history is the life of a room, as the registers that its events set.
func history() []Register {
	var out []Register
	for i, e := range []event.Event{
		&event.RoomCreated{RoomID: "r", RoomName: "R", AdminUserIDs: []string{"a"}},
		event.NewUserBanned("r", "u", "a"), event.NewUserBanned("r", "v|w", "a"), event.NewUserUnbanned("r", "u", ""),
		event.NewUserMuted("r", "u", "a"), event.NewAdminsChanged("r", []string{"b"}), &event.RoomClosed{RoomID: "r"},
	} {
		out = append(out, Project(entry(uint64(i+1), e))...)
	}
	for seq := uint64(3); seq < 6; seq++ {
		out = append(out, Register{event.RegisterKey{Room: "r", Aspect: event.AspectStats}, event.StatsRegister{
			Seq: seq, Stats: event.Stats{TotalJoins: int64(seq)}, LastActivityMS: int64(seq) * 100,
		}})
	}
	return out
}

func TestAnyOrderOfRegistersGivesOneDirectory(t *testing.T) {
	want := Room{
		ID: "r", Name: "R", CreatedAtMS: 10, CreatedSeq: 1, AdminUserIDs: []string{"b"}, Closed: true, ClosedAtMS: 70, ClosedSeq: 7,
		Stats: event.Stats{TotalJoins: 5}, StatsSeq: 5, LastActivityMS: 500,
	}
	for seed := range uint64(200) {
		all := append(history(), history()...) // repeats change nothing
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		d := newDirectory()
		for _, r := range all {
			d.applyRecord(record(t, r))
		}
		got, ok := d.Get("r")
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if d.Banned("r", "u") || !d.Banned("r", "v|w") || !d.Muted("r", "u") || d.Muted("r", "v|w") || !d.IsAdmin("r", "b") || d.IsAdmin("r", "a") {
			t.Fatalf("seed %d: wrong rights", seed)
		}
	}
}

func TestALateLowerRegisterIsToBeRepaired(t *testing.T) {
	d := newDirectory()
	ban, unban := Project(entry(5, event.NewUserBanned("r", "u", "a")))[0], Project(entry(6, event.NewUserUnbanned("r", "u", "")))[0]
	d.applyRecord(record(t, unban))
	if len(d.Regressed()) != 0 {
		t.Error("nothing is to be repaired yet")
	}
	d.applyRecord(record(t, ban))
	if diff := cmp.Diff([]Register{unban}, d.Regressed()); diff != "" {
		t.Error(diff)
	}
	d.applyRecord(record(t, unban))
	if len(d.Regressed()) != 0 || d.Seq(unban.Key) != 6 || d.Banned("r", "u") {
		t.Error("the repair was not seen")
	}
}

func TestBrokenAndForeignRecordsAreCountedAndSkipped(t *testing.T) {
	d := newDirectory()
	d.applyRecord(kafkalog.Record{Key: []byte("r|meta"), Value: []byte("{")})
	d.applyRecord(kafkalog.Record{Key: []byte(event.LogRegister), Value: []byte(`{"v":1}`)})
	d.applyRecord(kafkalog.Record{Key: []byte("r|later-aspect"), Value: []byte(`{"seq":1}`)})
	d.applyRecord(kafkalog.Record{Key: []byte("r|meta")})
	if d.Broken() != 1 || len(d.List()) != 0 {
		t.Errorf("%d broken, %s", d.Broken(), d)
	}
}

func TestReadersGetCopies(t *testing.T) {
	d := newDirectory()
	for _, r := range history() {
		d.applyRecord(record(t, r))
	}
	a, _ := d.Get("r")
	a.AdminUserIDs[0] = "changed"
	if b := d.List()[0]; b.AdminUserIDs[0] != "b" {
		t.Error("a reader changed the directory")
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 200 {
				if i == 0 {
					room := fmt.Sprintf("r%d", n)
					d.applyRecord(kafkalog.Record{Key: []byte(room + "|meta"), Value: []byte(`{"seq":1}`)})
					continue
				}
				d.List()
				d.Banned("r", "u")
			}
		})
	}
	wg.Wait()
	if n := len(d.List()); n != 201 {
		t.Errorf("%d rooms", n)
	}
}
