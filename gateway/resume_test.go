package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/internal/testkit"
)

func TestResumeFromTheRing(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	room := n.room()
	ann := n.join(room, "ann")
	bob := n.join(room, "bob")
	first := ann.say("one", "")
	_ = bob.ws.CloseNow()
	second, third := ann.say("two", ""), ann.say("three", "")
	bob = n.joinAs(room, "bob", fmt.Sprintf("&since=%d", first.Seq), true)
	if !bob.welcome.Recovered || bob.welcome.Seq != first.Seq {
		t.Errorf("welcome %+v", bob.welcome)
	}
	a, b := bob.message(), bob.message()
	if a.Seq != second.Seq || b.Seq != third.Seq || b.PrevSeq != a.Seq {
		t.Errorf("missed messages: %+v %+v", a, b)
	}
	late := n.joinAs(room, "eve", "&history=2", true)
	if a, b := late.message(), late.message(); a.Seq != second.Seq || b.Seq != third.Seq {
		t.Errorf("history: %d %d", a.Seq, b.Seq)
	}
	late.send(event.CmdHistory, "h", map[string]any{"before_seq": third.Seq, "limit": 1})
	var page struct {
		Records []json.RawMessage `json:"records"`
		HasMore bool              `json:"has_more"`
	}
	late.decode(late.until(event.MsgHistory).Payload, &page)
	if len(page.Records) != 1 || !page.HasMore || !strings.Contains(string(page.Records[0]), `"two"`) {
		t.Errorf("page %s %v", page.Records, page.HasMore)
	}
	const more = 300 // more than the room's own ring holds
	for range more {
		ann.say("filler", "")
	}
	bob = n.joinAs(room, "bob", fmt.Sprintf("&since=%d", first.Seq), true)
	prev := uint64(0)
	for i := range more + 2 {
		m := bob.message()
		if !bob.welcome.Recovered || i == 0 && m.Seq != second.Seq || i > 0 && m.PrevSeq != prev {
			t.Fatalf("message %d of a long gap: %+v behind %d", i, m, prev)
		}
		prev = m.Seq
	}
	if old := n.joinAs(room, "old", "&since=1", true); old.welcome.Recovered {
		t.Error("a position of another epoch was recovered")
	}
}

// The log is whole here: whoever asks from the beginning on gets everything, and paging back ends there.
func TestResumeFromTheBeginning(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	room := n.room()
	ann := n.join(room, "ann")
	first, second := ann.say("one", ""), ann.say("two", "")
	bob := n.joinAs(room, "bob", "&since=0", true)
	if a, b := bob.message(), bob.message(); !bob.welcome.Recovered || a.Seq != first.Seq || b.Seq != second.Seq {
		t.Errorf("recovered %v, %d, %d", bob.welcome.Recovered, a.Seq, b.Seq)
	}
	for _, tt := range []struct {
		before  uint64
		records int
		more    bool
	}{{second.Seq + 1, 1, true}, {second.Seq, 1, false}, {first.Seq, 0, false}} {
		bob.send(event.CmdHistory, "h", map[string]any{"before_seq": tt.before, "limit": 1})
		var page struct {
			Records []json.RawMessage `json:"records"`
			HasMore bool              `json:"has_more"`
		}
		bob.decode(bob.until(event.MsgHistory).Payload, &page)
		if len(page.Records) != tt.records || page.HasMore != tt.more {
			t.Errorf("before %d: %d records, more %v", tt.before, len(page.Records), page.HasMore)
		}
	}
}
