package load

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"

	"splitsync/client/go"
	"splitsync/event"
)

// sample is a room of 20 lines by two users, two members that saw some of it, and a receiver that got all of it: everything right.
type sample struct {
	room      *room
	stored    []mark
	delivered []mark
	finished  map[string]bool
	receiver  *Receiver
	ledger    *Ledger
}

func newSample(t *testing.T) *sample {
	t.Helper()
	receiver, err := NewReceiver()
	if err != nil {
		t.Fatal(err)
	}
	s := &sample{room: newRoom("p-r", 2), receiver: receiver, finished: map[string]bool{"s1": true, "s2": true}}
	for n := 1; n <= 20; n++ {
		user := fmt.Sprint("u", n%2)
		ack := client.Ack{Seq: uint64(100 + 3*n), MessageID: fmt.Sprint("id", n), CreatedAtMS: int64(n)}
		s.room.ack(user, contentHash(user, fmt.Sprint("text", n), int64(n)), n, ack, false)
	}
	s.stored = slices.Clone(s.room.acked)
	s.delivered = slices.Clone(s.room.acked)
	s.room.spans = []span{s.saw("s1", 0, 20), s.saw("s2", 5, 12)}
	for id := range s.finished {
		receiver.joined[id], receiver.left[id], receiver.batched[id] = "p-r", "p-r", "p-r"
	}
	s.ledger = &Ledger{Lines: 20, Sent: 20, Acked: 20}
	return s
}

// saw is the span of a member that saw the stored messages from index a to b.
func (s *sample) saw(session string, a, b int) span {
	sp := span{session: session, count: b - a, to: s.stored[b-1].seq}
	if a > 0 {
		sp.from = s.stored[a-1].seq
	}
	for _, m := range s.stored[a:b] {
		sp.sum += m.hash
	}
	return sp
}

func (s *sample) check() *Ledger {
	p := &play{cfg: Config{Receiver: s.receiver, RoomPrefix: "p-"}, order: []*room{s.room}}
	s.receiver.chat["p-r"] = s.delivered
	s.ledger.Rooms = append(s.ledger.Rooms, p.check(s.room, s.stored))
	p.checkSessions(s.ledger, s.finished)
	return s.ledger
}

// TestTheLedgerFindsEveryFault breaks one thing at a time.
func TestTheLedgerFindsEveryFault(t *testing.T) {
	if l := newSample(t).check(); !l.Holds() {
		var b strings.Builder
		l.Print(&b)
		t.Fatalf("everything is right, and the ledger says:\n%s", b.String())
	}
	remove := func(m []mark, i int) []mark { return slices.Delete(slices.Clone(m), i, i+1) }
	tests := map[string]func(s *sample){
		"not stored":               func(s *sample) { s.stored = remove(s.stored, 7) },
		"nothing stored":           func(s *sample) { s.stored = nil },
		"stored twice":             func(s *sample) { m := s.stored[3]; m.seq = 500; s.stored = append(s.stored, m) },
		"stored with another text": func(s *sample) { s.stored[4].hash++ },
		"stored under another seq": func(s *sample) { s.stored[19].seq++ },
		"stored in another order":  func(s *sample) { s.stored[4], s.stored[5] = s.stored[5], s.stored[4] },
		"a user's lines change places": func(s *sample) {
			s.room.acked[4].line, s.room.acked[6].line = 7, 5
			s.stored = slices.Clone(s.room.acked)
		},
		"stored, nobody said it":       func(s *sample) { s.stored = append(s.stored, mark{seq: 900, hash: 1}) },
		"another line is stored":       func(s *sample) { s.stored = append(s.stored, mark{seq: 900, hash: 1, line: 30}) },
		"two acks of one seq":          func(s *sample) { s.room.acked[9].seq = s.room.acked[8].seq },
		"an answer is missing":         func(s *sample) { s.room.unknown = []int{21} },
		"not delivered":                func(s *sample) { s.delivered = remove(s.delivered, 0) },
		"delivered twice":              func(s *sample) { s.delivered = append(s.delivered, s.delivered[19]) },
		"delivered with another text":  func(s *sample) { s.delivered[2].hash++ },
		"delivered in another order":   func(s *sample) { s.delivered[2], s.delivered[3] = s.delivered[3], s.delivered[2] },
		"delivered, not stored":        func(s *sample) { s.delivered = append(s.delivered, mark{seq: 901}) },
		"a member missed the first":    func(s *sample) { s.room.spans[0].count--; s.room.spans[0].sum -= s.stored[0].hash },
		"a member saw one twice":       func(s *sample) { s.room.spans[1].count++; s.room.spans[1].sum += s.stored[6].hash },
		"a member saw another text":    func(s *sample) { s.room.spans[1].sum++ },
		"a hole in the chain":          func(s *sample) { s.room.lost = 1 },
		"a seq went back":              func(s *sample) { s.room.twice = 1 },
		"a message of somebody else":   func(s *sample) { s.room.foreign = 1 },
		"a session never ended":        func(s *sample) { delete(s.finished, "s2") },
		"a leave was not called back":  func(s *sample) { delete(s.receiver.left, "s1") },
		"a session came in no batch":   func(s *sample) { delete(s.receiver.batched, "s1") },
		"a session called back twice":  func(s *sample) { s.receiver.joined["s3"] = "p-r" },
		"a fault of a callback":        func(s *sample) { s.receiver.faults = []string{"two bodies"} },
		"a line has no fate":           func(s *sample) { s.ledger.Sent++ },
		"a line was not sent":          func(s *sample) { s.ledger.Lines++ },
		"stored before, now different": func(s *sample) { s.ledger.Changed++ },
		"interrupted":                  func(s *sample) { s.ledger.Interrupted = true },
	}
	for name, breakIt := range tests {
		s := newSample(t)
		breakIt(s)
		if s.check().Holds() {
			t.Errorf("%s: the ledger holds", name)
		}
	}
}

func TestALineThatWasSentAgainMayStandBehindLaterOnes(t *testing.T) {
	s := newSample(t)
	s.room.acked[4].line, s.room.acked[6].line = 7, 5
	s.stored, s.delivered = slices.Clone(s.room.acked), slices.Clone(s.room.acked)
	s.room.retried = map[int32]bool{5: true}
	if l := s.check(); !l.Holds() {
		t.Errorf("%+v", l.Rooms[0])
	}
}

func TestLinesOfAnEarlierRunBelongToTheLedger(t *testing.T) {
	s := newSample(t)
	s.room.already, s.room.acked = s.room.acked[:8], s.room.acked[8:]
	s.ledger.Sent, s.ledger.Acked, s.ledger.Skipped = 12, 12, 8
	if l := s.check(); !l.Holds() {
		t.Errorf("%+v", l.Rooms[0])
	}
}

// shown is a message as a member gets it.
func shown(t *testing.T, seq, prev uint64, text string) client.Event {
	t.Helper()
	payload, err := event.Marshal(event.ChatMessage{
		From: "ann", Content: text, ClientMsgID: "L7", Place: event.Place{Seq: seq, PrevSeq: prev, MessageID: "id", CreatedAtMS: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.Event{Type: event.MsgMessage, Payload: payload, Seq: seq, PrevSeq: prev}
}

func TestAMemberFollowsTheChain(t *testing.T) {
	r := newRoom("r", 1)
	v := viewer{room: r, seed: maphash.MakeSeed()}
	v.welcome(event.Welcome{Seq: 10, SessionID: "a"})
	v.see(shown(t, 12, 0, "first of this gateway"))
	v.see(shown(t, 15, 12, "next"))
	v.welcome(event.Welcome{Seq: 15, SessionID: "b", Recovered: true})
	v.see(shown(t, 16, 15, "goes on"))
	if r.lost+r.twice+r.foreign != 0 {
		t.Fatalf("a whole chain: lost %d, twice %d, foreign %d", r.lost, r.twice, r.foreign)
	}
	v.see(shown(t, 20, 18, "18 is missing"))
	v.see(shown(t, 20, 18, "again"))
	if r.lost != 1 || r.twice != 1 {
		t.Errorf("lost %d, twice %d, want 1 and 1", r.lost, r.twice)
	}
	v.welcome(event.Welcome{Seq: 90, SessionID: "c"}) // not recovered: what is between is not this member's
	v.see(shown(t, 95, 91, "a record that this gateway showed before the welcome"))
	if r.lost != 2 {
		t.Errorf("a gap behind the welcome: lost %d, want 2", r.lost)
	}
	v.keep(span{})
	if len(r.spans) != 3 || r.spans[0].count != 2 || r.spans[1].from != 15 || r.spans[1].to != 20 || r.spans[2].from != 90 {
		t.Errorf("spans %+v", r.spans)
	}
	v.see(client.Event{Type: event.MsgMessage, Payload: []byte(`{"from":"x","content":"y"}`), Seq: 200})
	if r.foreign != 1 {
		t.Errorf("foreign %d, want 1", r.foreign)
	}
}
