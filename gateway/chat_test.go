package gateway_test

import (
	"testing"

	"splitsync/event"
	"splitsync/internal/testkit"
)

func TestMessageReachesEveryMemberUnderTheSeqOfItsAck(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	room := n.room()
	ann := n.join(room, "ann")
	bob := n.joinAs(room, "bob", "&nickname=Bobby", false)
	if bob.welcome.Nickname != "Bobby" || ann.welcome.Nickname != "ann" || ann.welcome.SessionID == "" {
		t.Errorf("welcomes: %+v %+v", ann.welcome, bob.welcome)
	}
	first := ann.say("hello <&> \u2028 world", "")
	m := bob.message()
	if m.Seq != first.Seq || m.MessageID != first.MessageID || m.CreatedAtMS != first.CreatedAtMS || m.CreatedAt != first.CreatedAt {
		t.Errorf("ack %+v, message %+v", first, m)
	}
	if m.From != "ann" || m.Content != "hello <&> \u2028 world" || m.PrevSeq > bob.welcome.Seq || m.Seq <= bob.welcome.Seq {
		t.Errorf("message %+v, welcome seq %d", m, bob.welcome.Seq)
	}
	bob.send(event.CmdSendMessage, "", event.SendMessage{Content: "hi", ClientTS: 12345})
	reply := ann.message()
	if reply.PrevSeq != first.Seq || reply.Nickname != "Bobby" || reply.ClientTS != 12345 {
		t.Errorf("reply %+v", reply)
	}
	if own := bob.message(); own.Seq != reply.Seq {
		t.Errorf("bob sees %d, ann %d", own.Seq, reply.Seq)
	}
}
