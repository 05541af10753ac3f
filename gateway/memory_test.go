package gateway

import (
	"testing"

	"splitsync/event"
)

func TestRingKnowsWhatItForgot(t *testing.T) {
	var all memory
	var r ring
	r.begin(100, &all)
	if got, ok := r.after(100); !ok || len(got) != 0 {
		t.Error("nothing is missing yet")
	}
	if _, ok := r.after(99); ok {
		t.Error("what came before the ring is not known")
	}
	for i := range uint64(2 * ringRecords) {
		r.add(101+i, []byte("x"))
	}
	last := uint64(100 + 2*ringRecords)
	if got, ok := r.after(last - 3); !ok || len(got) != 3 || got[0].seq != last-2 {
		t.Errorf("after: %v %v", got, ok)
	}
	if _, ok := r.after(last - ringRecords - 1); ok {
		t.Error("a hole was hidden")
	}
	if got, ok := r.after(last - ringRecords); !ok || len(got) != ringRecords {
		t.Error("everything that is held can be had")
	}
	if got := r.before(last, 2); len(got) != 2 || got[1].seq != last-1 {
		t.Errorf("before: %v", got)
	}
	r.add(last+1, make([]byte, ringBytes-ringRecord))
	if r.bytes > ringBytes || len(r.frames) != 1 {
		t.Errorf("%d bytes in %d records", r.bytes, len(r.frames))
	}
	r.end()
	r.end()
	if all.rings.Load() != 0 || all.ringBytes.Load() != 0 || all.dropped.Load() != 0 {
		t.Errorf("%d rings of %d bytes left", all.rings.Load(), all.ringBytes.Load())
	}
	if _, ok := r.after(last + 1); ok {
		t.Error("a ring that has ended promises nothing")
	}
}

func TestAllRingsTogetherAreBounded(t *testing.T) {
	var all memory
	rings := make([]ring, 4*ringsBytes/ringBytes)
	frame := make([]byte, 8<<10)
	for i := range rings {
		rings[i].begin(0, &all)
		for seq := range uint64(ringBytes / len(frame)) {
			rings[i].add(seq+1, frame)
		}
		if got := all.ringBytes.Load(); got > ringsBytes {
			t.Fatalf("%d bytes after %d rings", got, i+1)
		}
	}
	for i := range rings { // housekeeping
		rings[i].trim()
	}
	for i := range rings {
		rings[i].add(1000, frame)
		if got, ok := rings[i].after(999); !ok || len(got) != 1 {
			t.Fatalf("ring %d keeps nothing: a busy start took it all", i)
		}
		if _, ok := rings[i].after(0); ok {
			t.Fatalf("ring %d hides what it dropped", i)
		}
	}
	if all.dropped.Load() == 0 {
		t.Error("nothing was counted")
	}
}

func TestManySlowConnectionsShareOneBound(t *testing.T) {
	s := testServer(t, 8<<20)
	s.memory.queued.Store(queuesBytes)
	c := &conn{s: s, wake: make(chan struct{}, 1)}
	c.push(make([]byte, queueShare))
	c.push([]byte("x"))
	if !c.isClosing() || c.code != event.CloseSlow {
		t.Error("a lagging connection goes on while all queues are full")
	}
	quick := &conn{s: s, wake: make(chan struct{}, 1)}
	quick.push(make([]byte, 100))
	quick.push(make([]byte, 100))
	if frames, closing := quick.take(nil); closing || len(frames) != 2 {
		t.Error("one that reads has to stay")
	}
	if got := s.memory.queued.Load(); got != queuesBytes {
		t.Errorf("%d bytes counted, want %d", got, queuesBytes)
	}
}

func TestAResumeThatWouldOverflowIsNotRecovered(t *testing.T) {
	s := testServer(t, 64<<10)
	c := &conn{s: s}
	frames := []shown{{1, make([]byte, 20<<10)}, {2, make([]byte, 20<<10)}, {3, make([]byte, 10<<10)}}
	if got := c.fitting(frames); len(got) != 2 || got[0].seq != 2 {
		t.Errorf("%d frames of 64 KiB", len(got))
	}
}
