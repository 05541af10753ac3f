package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

func TestLostAnswersPutNothingIntoTheLogTwice(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	proxy := testkit.NewProxy(t, broker.Addr())
	broker.Advertise(proxy.Addr())
	n := start(t, openLog(t, proxy.Addr()), nil)
	room := n.room()
	ann, watch := n.join(room, "ann"), n.join(room, "watch")
	const rounds, each = 4, 5
	acked := map[string]uint64{}
	for r := range rounds {
		proxy.LoseAnswers(300 * time.Millisecond)
		for i := range each {
			content := fmt.Sprintf("%d-%d", r, i)
			ann.send(event.CmdSendMessage, content, event.SendMessage{Content: content})
		}
		lost := time.NewTimer(400 * time.Millisecond) // the connections that lost an answer have closed
		<-lost.C
		proxy.Heal()
		for range each {
			e := ann.until(event.MsgAck)
			var a event.Ack
			ann.decode(e.Payload, &a)
			acked[string(e.ID)] = a.Seq
			if a.Duplicate {
				t.Errorf("%s is a duplicate without a client_msg_id", e.ID)
			}
		}
	}
	ann.say("end", "")
	for r := range rounds {
		for i := range each {
			want := fmt.Sprintf("%d-%d", r, i)
			m := watch.message()
			if m.Content != want || m.Seq != acked[`"`+want+`"`] {
				t.Fatalf("watch sees %s as %d, want %s as %d", m.Content, m.Seq, want, acked[`"`+want+`"`])
			}
		}
	}
	if m := watch.message(); m.Content != "end" {
		t.Errorf("%s is in the log once more", m.Content)
	}
}
