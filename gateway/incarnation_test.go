package gateway_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

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
		rec, err := kafkalog.Encode(fence, time.Now().UnixMilli())
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

func TestAJoinBehindABrokenTailIsEnded(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	n := start(t, cfg, nil)
	room := n.room()
	ann := n.join(room, "ann")
	n.s.BreakTail(room, kafkalog.ErrTruncated)
	// As when the connection's user_joined was on its way: nobody is left who waits for it.
	l := dialLog(t, cfg)
	if _, err := l.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := l.NewProducer(t.Context(), event.Sessions)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()
	joined := &event.UserJoined{
		RoomID: room, UserID: "bob", Nickname: "bob", SessionID: uuid.NewString(), Incarnation: verbose(n)["incarnation"].(string),
	}
	if _, err := p.AppendEvent(t.Context(), joined, 0); err != nil {
		t.Fatal(err)
	}
	if code := ann.closed(); code != int(event.CloseLogUnavailable) {
		t.Errorf("a member of the broken partition: closed with %d", code)
	}
	testkit.Eventually(t, soon, func() error {
		joined, left := sessionEvents(t, cfg)
		if len(joined) != 2 || len(left) != 2 {
			return fmt.Errorf("%d sessions began, %d ended", len(joined), len(left))
		}
		return nil
	})
	n.join(room, "ann").say("again", "")
}
