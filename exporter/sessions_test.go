package exporter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// journalled counts the records of a type in the journal.
func (r *rig) journalled(kind string) int {
	n := 0
	r.scan(event.Deliveries, func(rec kafkalog.Record) {
		if string(rec.Header(kafkalog.HeaderType)) == kind {
			n++
		}
	})
	return n
}

// visit appends n sessions of a room, each joined and left, numbered from first; every leave is told twice.
func (r *rig) visit(room string, first, n int) {
	r.t.Helper()
	for i := first; i < first+n; i++ {
		id := fmt.Sprintf("%s-%d", room, i)
		offset := r.tell(&event.UserJoined{RoomID: room, UserID: "ann", Nickname: "Ann", SessionID: id, Incarnation: "1-0"})
		left := &event.UserLeft{
			RoomID: room, UserID: "ann", Nickname: "Ann", SessionID: id, Incarnation: "1-0", Reason: event.LeaveLeft,
			JoinTimeMS: 1_700_000_000_000, JoinSeq: r.log.Meta().SeqOf(offset),
		}
		r.tell(left)
		r.tell(left)
	}
}

func TestSessionBatches(t *testing.T) {
	r, to := newRig(t, 2), testkit.NewReceiver(t)
	cfg := quick()
	cfg.SessionHistory.URL = to.URL()
	r.start(cfg, nil)
	r.visit("lobby", 0, 12)
	var got []string
	to.WaitFor(patience, func([]testkit.Received) error {
		got = got[:0]
		for _, req := range to.Accepted() {
			var b event.SessionBatchBody
			if err := json.Unmarshal(req.Body, &b); err != nil {
				t.Fatal(err)
			}
			if b.EventType != "session_history_batch" || len(b.Sessions) > 5 || b.BatchID != req.ID {
				t.Fatalf("batch %s: %+v", req.ID, b.BatchHead)
			}
			for _, s := range b.Sessions {
				got = append(got, s.SessionID)
			}
		}
		if len(got) < 12 {
			return fmt.Errorf("%d of 12 sessions", len(got))
		}
		return nil
	})
	for i, id := range got {
		if id != fmt.Sprintf("lobby-%d", i) {
			t.Errorf("session %d is %s", i, id)
		}
	}
}

func TestRoomEventsComeInOrderAndOnce(t *testing.T) {
	for at, nth := range map[Point]int{"never": 1, BeforeSend: 4, AfterSend: 4, BeforeDone: 2, AfterDone: 2, AfterCommit: 2} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r, to := newRig(t, 2), testkit.NewReceiver(t)
			cfg := quick()
			cfg.RoomEvent.URL = to.URL()
			rooms := []string{"lobby", "attic", "cellar"}
			for _, room := range rooms {
				r.tell(&event.RoomCreated{RoomID: room, RoomName: "The " + room, AdminUserIDs: []string{"root"}})
			}
			dying := crashAt(at, nth)
			run := r.start(cfg, dying)
			for _, room := range rooms {
				r.visit(room, 0, 3)
				r.tell(&event.RoomClosed{RoomID: room, FinalStats: event.Stats{PeakUsers: 1, TotalJoins: 3}})
			}
			if at != "never" {
				dying.die(t, run)
				r.start(cfg, nil)
			}
			const each = 1 + 3*2 + 1
			to.WaitForAccepted(patience, each*len(rooms))
			byRoom := map[string][]string{}
			for _, req := range to.Accepted() {
				var h event.CallbackHead
				if err := json.Unmarshal(req.Body, &h); err != nil || h.EventID != req.ID {
					t.Fatalf("%s: %s %v", req.ID, req.Body, err)
				}
				byRoom[h.RoomID] = append(byRoom[h.RoomID], h.EventType)
			}
			want := "room_created user_joined user_left user_joined user_left user_joined user_left room_closed"
			for _, room := range rooms {
				if got := strings.Join(byRoom[room], " "); got != want {
					t.Errorf("room %s: %s", room, got)
				}
			}
			if err := to.SameBytes(); err != nil {
				t.Error(err)
			}
		})
	}
}
