package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/gateway"
	"splitsync/internal/config"
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
	acked := map[uint64]string{}
	codes := map[event.ErrorCode]int{}
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for i := range 13 { // the first wait in the queue, later ones are refused
		content := fmt.Sprintf("during-%d", i)
		ann.send(event.CmdSendMessage, content, event.SendMessage{Content: content, ClientMsgID: content})
		<-pace.C
	}
	broker.Start()
	testkit.Eventually(t, 20*time.Second, func() error {
		ann.send(event.CmdSendMessage, "after", event.SendMessage{Content: "after", ClientMsgID: "after"})
		for {
			e := ann.next()
			if e.Type == event.MsgAck {
				var a event.Ack
				ann.decode(e.Payload, &a)
				acked[a.Seq] = string(e.ID)
			}
			if e.Type == event.MsgError {
				var p event.ErrorPayload
				ann.decode(e.Payload, &p)
				codes[p.Code]++
			}
			if string(e.ID) == `"after"` && e.Type == event.MsgAck {
				return nil
			}
			if string(e.ID) == `"after"` {
				return fmt.Errorf("after the outage: %s", e.Payload)
			}
		}
	})
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

func TestAFencedGatewayTakesANewIncarnation(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	n := start(t, cfg, nil)
	room := n.room()
	ann := n.join(room, "ann")
	l := dialLog(t, cfg)
	if _, err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	incarnation := verbose(n)["incarnation"].(string)
	fence := &event.GatewayFence{Incarnation: incarnation}
	for p := range cfg.Partitions {
		rec, err := kafkalog.Encode(fence, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Fence(t.Context(), event.Sessions, p, incarnation, rec); err != nil {
			t.Fatal(err)
		}
	}
	bob, _, err := n.dial(room, "bob", "", true) // its user_joined is refused: that tells the gateway
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{ann, bob} {
		if code := c.closed(); code != int(event.CloseLogUnavailable) {
			t.Errorf("closed with %d", code)
		}
	}
	testkit.Eventually(t, soon, func() error {
		if now := verbose(n)["incarnation"]; now == incarnation {
			return fmt.Errorf("still %s", now)
		}
		return nil
	})
	n.join(room, "ann").say("again", "")
}

func verbose(n *node) map[string]any {
	_, body := n.call("GET", "/management/health?verbose=1", nil)
	out := map[string]any{}
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		n.t.Fatal(err)
	}
	return out
}

func TestResumeAfterARestart(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	first := start(t, cfg, nil)
	room := first.room()
	ann := first.join(room, "ann")
	one := ann.say("one", "m-1")
	two := ann.say("two", "m-2")
	first.end()
	second := start(t, cfg, nil)
	back := second.joinAs(room, "ann", fmt.Sprintf("&since=%d", one.Seq), true)
	if m := back.message(); !back.welcome.Recovered || m.Seq != two.Seq || m.PrevSeq != one.Seq {
		t.Errorf("welcome %+v, message %+v", back.welcome, m)
	}
	if again := back.say("two", "m-2"); !again.Duplicate || again.Seq != two.Seq || again.MessageID != two.MessageID {
		t.Errorf("a retry after the restart: %+v, was %+v", again, two)
	}
	if three := back.say("three", ""); three.Seq <= two.Seq {
		t.Errorf("seq went back: %+v", three)
	}
}

func TestTheRoleServesAndDrains(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ports, err := devstack.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	web, probes := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	done := make(chan error, 1)
	go func() {
		done <- gateway.Run(ctx, gateway.Config{
			Web: config.Web{AdminAPIKeys: []string{apiKey}}, Kafka: cfg, Auth: "none", BindAddress: web, MetricsAddress: probes,
		}, testkit.Log(t))
	}()
	get := func(url string) (int, string) {
		res, err := http.Get(url)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	testkit.Eventually(t, soon, func() error {
		if code, body := get("http://" + probes + "/readyz"); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	for url, want := range map[string]string{
		"http://" + web + "/": "<title>splitsync chat</title>", "http://" + web + "/management/health": "OK",
		"http://" + web + "/management/rooms": "API key", "http://" + web + "/nowhere": "no such route",
		"http://" + probes + "/metrics": "splitsync_gateway_connections 0",
	} {
		if _, body := get(url); !strings.Contains(body, want) {
			t.Errorf("%s: %.200s", url, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("role: %v", err)
	}
}
