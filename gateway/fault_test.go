package gateway_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/gateway"
	"splitsync/internal/devstack"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// sessionEvents reads the topic sessions to its end.
func sessionEvents(t *testing.T, cfg kafkalog.Config) (joined map[string]bool, left map[string]event.LeaveReason) {
	t.Helper()
	l := dialLog(t, cfg)
	if _, err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	joined, left = map[string]bool{}, map[string]event.LeaveReason{}
	for p := range cfg.Partitions {
		tail, err := l.OpenTail(t.Context(), event.Sessions, p, kafkalog.Start)
		if err != nil {
			t.Fatal(err)
		}
		_, end, err := l.Offsets(t.Context(), event.Sessions, p)
		if err != nil {
			t.Fatal(err)
		}
		for tail.Position() < end {
			entries, err := tail.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				switch ev := e.Event.(type) {
				case *event.UserJoined:
					joined[ev.SessionID] = true
				case *event.UserLeft:
					if !e.Duplicate {
						left[ev.SessionID] = ev.Reason
					}
				}
			}
		}
	}
	return joined, left
}

func TestSlowClientIsClosedAndOthersGoOn(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) { c.QueueBytes = 256 << 10 })
	room := n.room()
	slow := n.join(room, "slow") // has a small socket buffer and does not read from here on
	ann, bob := n.join(room, "ann"), n.join(room, "bob")
	var wg sync.WaitGroup
	const count = 150 // 9 MB: more than the sockets hold
	wg.Go(func() {
		for range count {
			bob.message()
		}
	})
	content := strings.Repeat("x", 60_000)
	for range count {
		ann.say(content, "")
	}
	wg.Wait()
	if code := slow.closed(); code != int(event.CloseSlow) {
		t.Errorf("slow client: closed with %d", code)
	}
}

func TestASilentClientIsClosed(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	n := start(t, cfg, func(c *gateway.Config, _ *gateway.Deps) { c.PingInterval = time.Second })
	room := n.room()
	silent, idle := n.join(room, "silent"), n.join(room, "idle") // silent does not read, so it sends no pong
	for member := (event.Member{}); member.UserID != "silent"; {
		idle.decode(idle.until(event.MsgUserLeft).Payload, &member) // idle answers pings while it reads
	}
	if code := silent.closed(); code != int(event.CloseNoPong) {
		t.Errorf("closed with %d", code)
	}
	_, left := sessionEvents(t, cfg)
	for id, reason := range left {
		if reason != event.LeaveTimeout || len(left) != 1 {
			t.Errorf("session %s ended as %s, %d in all", id, reason, len(left))
		}
	}
}

func TestDrainEndsEverySession(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	n := start(t, cfg, nil)
	room := n.room()
	clients := []*client{n.join(room, "a"), n.join(room, "b"), n.joinAs(room, "c", "", false)}
	var codes sync.Map
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { codes.Store(i, c.closed()) })
	}
	begin := time.Now()
	n.stop()
	wg.Wait()
	n.end()
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("drain took %s", took)
	}
	codes.Range(func(_, code any) bool {
		if code != int(event.CloseDraining) {
			t.Errorf("closed with %d", code)
		}
		return true
	})
	joined, left := sessionEvents(t, cfg)
	if len(joined) != 3 || len(left) != 3 {
		t.Errorf("%d sessions began, %d ended", len(joined), len(left))
	}
	for id, reason := range left {
		if reason != event.LeaveDrained {
			t.Errorf("session %s: %s", id, reason)
		}
	}
}

func TestNothingIsLostOrDoubledOverAnOutage(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	cfg := openLog(t, broker.Addr())
	n := start(t, cfg, nil)
	room := n.room()
	ann, watch := n.join(room, "ann"), n.join(room, "watch")
	ann.say("before", "")
	leaver := n.join(room, "leaver")
	broker.Stop()
	_ = leaver.ws.CloseNow() // its session's end has to wait for the log
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for i := range 13 { // the first wait in the queue, later ones are refused
		content := fmt.Sprintf("during-%d", i)
		ann.send(event.CmdSendMessage, content, event.SendMessage{Content: content, ClientMsgID: content})
		<-pace.C
	}
	broker.Start()
	acked, codes := ann.repliesUntilStored("after")
	if codes[event.CodeLogUnavailable] == 0 || len(codes) != 1 {
		t.Errorf("errors %v, want only 120", codes)
	}
	seen := map[string]int{}
	for len(seen) < len(acked)+1 {
		seen[watch.message().Content]++
	}
	for content, n := range seen {
		if n != 1 {
			t.Errorf("%s was shown %d times", content, n)
		}
	}
	testkit.Eventually(t, soon, func() error {
		if _, left := sessionEvents(t, cfg); len(left) != 1 {
			return fmt.Errorf("%d sessions ended, want the leaver's", len(left))
		}
		return nil
	})
	watch.say("members stayed", "")
}

// repliesUntilStored says content until it is stored, and returns all replies until then: the seqs of acks, and the errors by code.
func (c *client) repliesUntilStored(content string) (acked map[uint64]bool, codes map[event.ErrorCode]int) {
	c.t.Helper()
	acked, codes = map[uint64]bool{}, map[event.ErrorCode]int{}
	testkit.Eventually(c.t, 20*time.Second, func() error {
		c.send(event.CmdSendMessage, content, event.SendMessage{Content: content, ClientMsgID: content})
		for {
			e := c.next()
			last := string(e.ID) == strconv.Quote(content)
			switch e.Type {
			case event.MsgAck:
				var a event.Ack
				c.decode(e.Payload, &a)
				acked[a.Seq] = true
				if last {
					return nil
				}
			case event.MsgError:
				var p event.ErrorPayload
				c.decode(e.Payload, &p)
				codes[p.Code]++
				if last {
					return fmt.Errorf("error %d: %s", p.Code, p.Message)
				}
			}
		}
	})
	return acked, codes
}

func TestFullDiskRefusesAndRecovers(t *testing.T) {
	var free atomic.Uint64
	free.Store(1 << 20)
	n := start(t, openLog(t, testkit.Kafka(t)), func(_ *gateway.Config, d *gateway.Deps) {
		d.FreeBytes = func() (uint64, error) { return free.Load(), nil }
	})
	testkit.Eventually(t, soon, func() error {
		if code, body := n.call("POST", "/management/rooms", map[string]any{}); code != 503 {
			return fmt.Errorf("create on a full disk: %d %s", code, body)
		}
		return nil
	})
	free.Store(2 << 30)
	var room struct {
		RoomID string `json:"room_id"`
	}
	testkit.Eventually(t, soon, func() error {
		code, body := n.call("POST", "/management/rooms", map[string]any{})
		if code != 200 {
			return fmt.Errorf("create: %d", code)
		}
		return json.Unmarshal([]byte(body), &room)
	})
	ann := n.join(room.RoomID, "ann")
	ann.say("fits", "")
	free.Store(0)
	testkit.Eventually(t, soon, func() error {
		ann.send(event.CmdSendMessage, "x", event.SendMessage{Content: "x"})
		for {
			switch e := ann.next(); {
			case e.Type == event.MsgAck:
				return fmt.Errorf("still taken")
			case e.Type == event.MsgError:
				var p event.ErrorPayload
				ann.decode(e.Payload, &p)
				if p.Code != event.CodeLogUnavailable || !p.Retryable {
					t.Errorf("full disk: %+v", p)
				}
				return nil
			}
		}
	})
}
