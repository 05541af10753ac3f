package history

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"splitsync/event"
)

func sessionRows(rng *rand.Rand, room string, n int) (joins, leaves []SessionRow) {
	at, seq := start, uint64(1<<48)
	for i := range n {
		at += rng.Int64N(20 * 60_000)
		seq += 2
		r := SessionRow{RoomID: room, JoinTime: at, SessionID: fmt.Sprintf("s%05d", rng.IntN(100_000)*1000+i), UserID: fmt.Sprint("u", i), Nickname: "n", Incarnation: fmt.Sprint("g", i%3), JoinSeq: seq, Partition: 1}
		joins = append(joins, r)
		if rng.IntN(10) > 0 {
			r.LeaveSeq, r.LeaveTime, r.LeaveReason = 1<<48|uint64(n*2+100+rng.IntN(n*50)*7+i), at+rng.Int64N(hourMS), "left"
			leaves = append(leaves, r)
		}
	}
	return joins, leaves
}

func TestSessionPagesEqualTheReference(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	s := open(t)
	joins, leaves := sessionRows(rng, "room", 400)
	late := leaves[5] // told again by another record: the first in the log wins
	insertShuffled(t, rng, slices.Concat(joins, leaves), func(b []SessionRow) { insert(t, s, &Block{Sessions: b}) })
	byID := map[string]SessionRow{}
	var seqs []uint64
	for _, r := range slices.Concat(joins, leaves) {
		byID[r.SessionID] = r
		seqs = append(seqs, max(r.JoinSeq, r.LeaveSeq))
	}
	all := make([]SessionRow, 0, len(byID))
	for _, r := range byID {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b SessionRow) int {
		return cmp.Or(cmp.Compare(a.JoinTime, b.JoinTime), cmp.Compare(a.JoinSeq, b.JoinSeq))
	})
	for range 40 {
		q := SessionQuery{RoomID: "room", IncludeOpen: rng.IntN(2) == 0, Window: randomWindow(rng, start, all[len(all)-1].JoinTime, seqs)}
		q.Size, q.Asc = 1+rng.IntN(150), rng.IntN(2) == 0
		s.readable = int64(rng.IntN(2) * readable)
		var want []event.SessionRecord
		for i := range all {
			seq := all[i].LeaveSeq
			if q.IncludeOpen {
				seq = all[i].JoinSeq
			}
			if seq > 0 && q.sees(all[i].JoinTime, seq) {
				want = append(want, all[i].session(cmp.Or(q.Snapshot, math.MaxUint64)))
			}
		}
		if !q.Asc {
			slices.Reverse(want)
		}
		var got []event.SessionRecord
		for q.Number = 1; ; q.Number++ {
			page, info, err := s.SessionPage(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if info.Total != int64(len(want)) {
				t.Fatalf("%+v: total %d, want %d", q, info.Total, len(want))
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v:\n%s", q, diff)
		}
	}
	late.LeaveSeq, late.LeaveTime, late.LeaveReason = late.LeaveSeq+1, late.LeaveTime+1000, "gateway_lost"
	insert(t, s, &Block{Sessions: []SessionRow{late}})
	if _, info, err := s.SessionPage(t.Context(), SessionQuery{RoomID: "room", Page: Page{Number: 1, Size: 1}}); err != nil || info.Total != int64(len(leaves)) {
		t.Errorf("%d sessions, want %d: %v", info.Total, len(leaves), err)
	}
	found, err := s.EachSession(t.Context(), SessionQuery{RoomID: "room"}, 0, func(r event.SessionRecord) error {
		if r.LeaveReason != "left" {
			t.Errorf("session %s ended with %s", r.SessionID, r.LeaveReason)
		}
		return nil
	})
	if err != nil || found {
		t.Error(found, err)
	}
}
