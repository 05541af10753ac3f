package gateway_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"splitsync/event"
	"splitsync/internal/testkit"
)

func TestTwoGatewaysShowOneOrder(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room()
	const each, writers = 100, 4
	watch := []*client{a.join(room, "watch-a"), b.join(room, "watch-b")}
	var wg sync.WaitGroup
	acks := make([][]uint64, writers)
	for w := range writers {
		node := []*node{a, b}[w%2]
		c := node.join(room, fmt.Sprintf("w%d", w))
		wg.Go(func() {
			for i := range each {
				acks[w] = append(acks[w], c.say(fmt.Sprintf("%d/%d", w, i), "").Seq)
			}
		})
	}
	orders := make([][]uint64, len(watch))
	for i, c := range watch {
		prev := uint64(0)
		for range each * writers {
			m := c.message()
			if prev != 0 && m.PrevSeq != prev {
				t.Fatalf("prev_seq %d after %d", m.PrevSeq, prev)
			}
			prev = m.Seq
			orders[i] = append(orders[i], m.Seq)
		}
	}
	wg.Wait()
	if !slices.Equal(orders[0], orders[1]) {
		t.Error("the gateways show different orders")
	}
	all := slices.Concat(acks...)
	slices.Sort(all)
	if !slices.Equal(all, orders[0]) {
		t.Error("acks name other seqs than members see")
	}
}

func TestARetryThroughTheOtherGatewayIsOneMessage(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room()
	watch := b.join(room, "watch")
	first := a.join(room, "ann").say("once", "msg-1")
	again := b.join(room, "ann")
	second := again.say("once", "msg-1")
	if first.Duplicate || !second.Duplicate {
		t.Errorf("duplicate: %v, %v", first.Duplicate, second.Duplicate)
	}
	second.Duplicate, second.ID = false, first.ID
	if fmt.Sprint(first) != fmt.Sprint(second) {
		t.Errorf("first ack %+v, second %+v", first, second)
	}
	last := again.say("end", "")
	if m := watch.message(); m.Seq != first.Seq || m.ClientMsgID != "msg-1" {
		t.Errorf("watch sees %+v", m)
	}
	if m := watch.message(); m.Seq != last.Seq || m.PrevSeq != first.Seq {
		t.Errorf("watch sees %+v behind it: the duplicate was shown", m)
	}
	// Another user's message with the same client_msg_id is another message.
	if ack := watch.say("other", "msg-1"); ack.Duplicate {
		t.Error("another user's message counts as duplicate")
	}
}

func TestSecondConnectionReplacesTheFirst(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room()
	first := a.join(room, "ann")
	second := a.join(room, "ann")
	if code := first.closed(); code != int(event.CloseReplaced) {
		t.Errorf("same gateway: closed with %d", code)
	}
	third := b.join(room, "ann")
	if code := second.closed(); code != int(event.CloseReplaced) {
		t.Errorf("other gateway: closed with %d", code)
	}
	third.say("still here", "")
}

func TestMuteHoldsEverywhere(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room("boss")
	boss, ann, bob := a.join(room, "boss"), b.joinAs(room, "ann", "&nickname=Ann", true), b.join(room, "bob")
	if !boss.welcome.IsAdmin || ann.welcome.IsAdmin {
		t.Error("wrong admins")
	}
	boss.send(event.CmdMuteUser, "m", event.Target{UserID: "ann"})
	boss.ack()
	ann.until(event.MsgYouAreMuted)
	bob.until(event.MsgUserMuted)
	ann.send(event.CmdSendMessage, "x", event.SendMessage{Content: "psst"})
	if f := ann.failure(); f.Code != event.CodePermissionDenied {
		t.Errorf("muted: %+v", f)
	}
	boss.send(event.CmdUnmuteUser, "u", event.Target{UserID: "ann"})
	boss.ack()
	ann.until(event.MsgYouAreUnmuted)
	ann.say("thanks", "")
}

func TestKickBansEverywhereUntilUnban(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room("boss")
	boss, ann := a.join(room, "boss"), b.join(room, "ann")
	boss.send(event.CmdKickUser, "k", event.Target{UserID: "ann"})
	boss.ack()
	ann.until(event.MsgYouAreKicked)
	if code := ann.closed(); code != int(event.CloseBanned) {
		t.Errorf("kicked: closed with %d", code)
	}
	for _, n := range []*node{a, b} {
		testkit.Eventually(t, soon, func() error {
			if c, code, err := n.dial(room, "ann", "", true); err == nil || code != 403 {
				if err == nil {
					_ = c.ws.CloseNow()
				}
				return fmt.Errorf("banned: %d", code)
			}
			return nil
		})
	}
	if code, body := b.call("DELETE", "/management/rooms/"+room+"/bans/ann", nil); code != 200 {
		t.Errorf("unban: %d %s", code, body)
	}
	b.join(room, "ann")
}

func TestAdminsChangeEverywhere(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room("boss")
	boss, bob := a.join(room, "boss"), b.join(room, "bob")
	if code, body := a.call("PUT", "/management/rooms/"+room+"/admins", map[string]any{"admin_user_ids": []string{"bob"}}); code != 200 {
		t.Errorf("admins: %d %s", code, body)
	}
	boss.send(event.CmdKickUser, "k2", event.Target{UserID: "ann"})
	if f := boss.failure(); f.Code != event.CodePermissionDenied {
		t.Errorf("former admin: %+v", f)
	}
	testkit.Eventually(t, soon, func() error {
		bob.send(event.CmdMuteUser, "m2", event.Target{UserID: "ann"})
		for {
			switch e := bob.next(); e.Type {
			case event.MsgAck:
				return nil
			case event.MsgError:
				return fmt.Errorf("new admin: %s", e.Payload)
			}
		}
	})
}

func TestARoomClosesEverywhere(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room()
	ann, bob := a.join(room, "ann"), b.join(room, "bob")
	if code, body := b.call("DELETE", "/management/rooms/"+room, nil); code != 204 {
		t.Fatalf("close: %d %s", code, body)
	}
	for _, c := range []*client{ann, bob} {
		if code := c.closed(); code != int(event.CloseRoomClosed) {
			t.Errorf("closed with %d", code)
		}
	}
	for _, n := range []*node{a, b} {
		if _, code, _ := n.dial(room, "ann", "", true); code != 404 {
			t.Errorf("join a closed room: %d", code)
		}
		if code, _ := n.call("GET", "/management/rooms/"+room, nil); code != 404 {
			t.Errorf("get a closed room: %d", code)
		}
		if code, _ := n.call("POST", "/management/rooms", map[string]any{"room_id": room}); code != 409 {
			t.Errorf("create a closed room again: %d", code)
		}
	}
}

func TestManagementRefusals(t *testing.T) {
	a := start(t, openLog(t, testkit.Kafka(t)), nil)
	for _, tt := range []struct {
		body any
		want int
	}{
		{map[string]any{"room_id": "bad room"}, 400},
		{map[string]any{"room_id": 7}, 400},
		{map[string]any{"admin_user_ids": []string{""}}, 400},
		{"text", 400},
		{map[string]any{}, 200},
	} {
		if code, body := a.call("POST", "/management/rooms", tt.body); code != tt.want {
			t.Errorf("create %v: %d %s, want %d", tt.body, code, body, tt.want)
		}
	}
	for _, path := range []string{"/management/rooms/none", "/management/rooms/none/admins", "/management/rooms/none/bans/x"} {
		if code, _ := a.call("DELETE", path, nil); code != 404 && code != 405 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestRoomsAcrossGateways(t *testing.T) {
	kafka := openLog(t, testkit.Kafka(t))
	a, b := start(t, kafka, nil), start(t, kafka, nil)
	room := a.room("boss")
	if code, _ := b.call("POST", "/management/rooms", map[string]any{"room_id": room}); code != 409 {
		t.Errorf("create again: %d", code)
	}
	bob := b.join(room, "bob") // read-your-writes through the other gateway
	if code, body := a.call("POST", "/management/rooms/"+room+"/system-message", map[string]string{"content": "maintenance"}); code != 202 {
		t.Errorf("system message: %d %s", code, body)
	}
	var sys event.ChatSystem
	bob.decode(bob.until(event.MsgSystem).Payload, &sys)
	if sys.Message != "maintenance" || sys.Seq == 0 {
		t.Errorf("system %+v", sys)
	}
	var view struct {
		RoomID       string   `json:"room_id"`
		RoomName     string   `json:"room_name"`
		AdminUserIDs []string `json:"admin_user_ids"`
		StartTime    int64    `json:"start_time"`
		LastActivity int64    `json:"last_activity"`
		CurrentUsers int64    `json:"current_users"`
		PeakUsers    int64    `json:"peak_users"`
		TotalJoins   *int64   `json:"total_joins"`
	}
	testkit.Eventually(t, soon, func() error {
		code, body := a.call("GET", "/management/rooms/"+room, nil)
		if err := json.Unmarshal([]byte(body), &view); err != nil || code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		if view.CurrentUsers != 1 || view.PeakUsers != 1 {
			return fmt.Errorf("counts over both gateways: %s", body)
		}
		return nil
	})
	if view.RoomName != "Room" || view.AdminUserIDs[0] != "boss" || view.StartTime == 0 || view.LastActivity < view.StartTime || view.TotalJoins == nil {
		t.Errorf("room %+v", view)
	}
	if code, body := a.call("GET", "/management/health", nil); code != 200 || body != "OK" {
		t.Errorf("health: %d %q", code, body)
	}
	if code, body := a.call("GET", "/management/health?verbose=1", nil); code != 200 || !json.Valid([]byte(body)) {
		t.Errorf("verbose health: %d %q", code, body)
	}
}
