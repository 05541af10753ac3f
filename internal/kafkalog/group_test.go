package kafkalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

func TestConsumeCommitsAndGoesOn(t *testing.T) {
	l, _ := open(t, 3)
	p := producer(t, l, event.Chat)
	for i := range 30 {
		appendEvent(t, p, message(fmt.Sprint("room", i), "ann", "", "x"), 0)
	}
	done := errors.New("done")
	err := l.Consume(t.Context(), "g", []event.Topic{event.Chat, event.Sessions}, func(ctx context.Context, g *kafkalog.Generation) error {
		if len(g.Claims()) != 6 || !g.Live() {
			t.Errorf("claims %v, live %v", g.Claims(), g.Live())
		}
		for _, c := range g.Claims() {
			if c.Offset != -1 {
				t.Errorf("claim %+v has a commit", c)
			}
			if err := g.Commit(ctx, kafkalog.Commit{Topic: c.Topic, Partition: c.Partition, Offset: int64(c.Partition), Metadata: "j7"}); err != nil {
				t.Error(err)
			}
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
	err = l.Consume(t.Context(), "g", []event.Topic{event.Chat}, func(ctx context.Context, g *kafkalog.Generation) error {
		for _, c := range g.Claims() {
			if c.Offset != int64(c.Partition) || c.Metadata != "j7" {
				t.Errorf("claim %+v", c)
			}
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
	got, err := l.Committed(t.Context(), "g", event.Chat)
	if err != nil || got[2] != 2 {
		t.Fatalf("committed %v, %v", got, err)
	}
}

func TestTwoMembersShareAndATakenOverCommitIsRefused(t *testing.T) {
	l, _ := open(t, 4)
	gens := make(chan *kafkalog.Generation, 16)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	member := func() {
		defer wg.Done()
		err := l.Consume(ctx, "g", []event.Topic{event.Chat}, func(ctx context.Context, g *kafkalog.Generation) error {
			gens <- g
			<-ctx.Done()
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	wg.Add(1)
	go member()
	first := <-gens
	if len(first.Claims()) != 4 {
		t.Fatalf("claims %v", first.Claims())
	}
	wg.Add(1)
	go member()
	a, b := <-gens, <-gens
	for len(a.Claims())+len(b.Claims()) != 4 {
		a, b = b, <-gens
	}
	if err := first.Commit(t.Context(), kafkalog.Commit{Topic: event.Chat, Partition: 0, Offset: 9}); err == nil {
		t.Error("the commit of an ended generation was taken")
	}
	cancel()
	wg.Wait()
}

func TestFenceEndsAnIncarnation(t *testing.T) {
	l, _ := open(t, 2)
	p := producer(t, l, event.Sessions)
	join := &event.UserJoined{RoomID: "room", UserID: "ann", Nickname: "ann", SessionID: "s1", Incarnation: p.Incarnation()}
	appendEvent(t, p, join, 0)
	old, ended := p.Incarnation(), p.IncarnationEnded()
	fence, err := kafkalog.Encode(&event.GatewayFence{Incarnation: old}, time.Now().UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	for part := range 2 {
		at, err := l.Fence(t.Context(), event.Sessions, part, old, fence)
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.Fence(t.Context(), event.Sessions, part, old, fence)
		if err != nil || again != at {
			t.Errorf("second fence of partition %d: offset %d, %v, want %d", part, again, err, at)
		}
	}
	join.SessionID = "s2"
	if _, err := p.AppendEvent(t.Context(), join, 0); !errors.Is(err, kafkalog.ErrFenced) || !errors.Is(err, kafkalog.ErrNotStored) {
		t.Fatalf("append after the fence: %v", err)
	}
	<-ended
	if p.Incarnation() == old {
		t.Error("the incarnation did not change")
	}
	appendEvent(t, p, join, 0)
}

func TestTableAppliesTheLatest(t *testing.T) {
	l, _ := open(t, 3)
	p := producer(t, l, event.Rooms)
	var mu sync.Mutex
	got := map[string]string{}
	table := l.OpenTable(event.Rooms, func(r kafkalog.Record) {
		mu.Lock()
		defer mu.Unlock()
		if r.Value == nil {
			delete(got, string(r.Key))
			return
		}
		got[string(r.Key)] = string(r.Value)
	})
	put := func(k string, v []byte) int64 {
		offset, err := p.Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte(k), Value: v})
		if err != nil {
			t.Fatal(err)
		}
		return offset
	}
	put("a", []byte("1"))
	put("b", []byte("1"))
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- table.Run(ctx) }()
	<-table.Ready()
	put("a", []byte("2"))
	if err := table.WaitFor(t.Context(), 0, put("b", nil)); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	if got["a"] != "2" || got["b"] != "" {
		t.Errorf("table holds %v", got)
	}
	mu.Unlock()
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
