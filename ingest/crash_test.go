package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"splitsync/internal/history"
	"splitsync/internal/testkit"
)

var errDied = errors.New("died here")

// A process that dies at any step before its commit makes the next one repeat the step. Nobody sees it.
func TestDyingBeforeTheCommitChangesNothingVisible(t *testing.T) {
	for name, dies := range map[string]func(context.Context, *Server, *history.Block) error{
		"before the insert": func(context.Context, *Server, *history.Block) error { return errDied },
		"in the middle of the insert": func(ctx context.Context, s *Server, b *history.Block) error {
			half := part(b, 0, (b.Len()+1)/2)
			return errors.Join(s.store.Insert(ctx, &half), errDied)
		},
		"after the insert": func(ctx context.Context, s *Server, b *history.Block) error {
			return errors.Join(s.store.Insert(ctx, b), errDied)
		},
	} {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 1))
			f := newFixture(t, 2)
			f.append(chatter(0, 3000, 5)...)
			f.raw("room-1", "no json")
			for i := range 4 {
				f.dieOnce(dies, 1+random.IntN(900))
				f.append(chatter(3000+100*i, 100, 5)...)
			}
			f.ingest(func(s *Settings) { s.BlockRows = 1 + random.IntN(2000) })
			f.waitCommitted(20 * time.Second)
			f.wantMessages(3400, 5)
			if n := len(f.letters()); n != 1 {
				t.Errorf("%d dead letters, want 1", n)
			}
		})
	}
}

// dieOnce runs an ingest until its first block fails as dies says.
func (f *fixture) dieOnce(dies func(context.Context, *Server, *history.Block) error, rows int) {
	f.t.Helper()
	var once sync.Once
	died := make(chan struct{})
	in := f.ingest(func(s *Settings) { s.BlockRows = rows }, func(s *Server) {
		s.insertRows = func(ctx context.Context, b *history.Block) error {
			err := errDied
			once.Do(func() {
				err = dies(ctx, s, b)
				close(died)
			})
			return err
		}
	})
	<-died
	f.stop(in)
}

func TestClickHouseDiesInTheMiddle(t *testing.T) {
	f := newFixture(t, 3)
	in := f.ingest(func(s *Settings) { s.BlockRows, s.BufferBytes = 500, 1<<20 })
	f.append(chatter(0, 3000, 6)...)
	testkit.Eventually(t, 20*time.Second, func() error {
		if value(t, in.metrics.Blocks) == 0 {
			return errors.New("nothing stored yet")
		}
		return nil
	})
	f.click.Kill9()
	f.append(chatter(3000, 3000, 6)...)
	testkit.Eventually(t, 20*time.Second, func() error {
		if value(t, in.metrics.Retries.WithLabelValues("insert")) == 0 {
			return errors.New("no insert has failed yet")
		}
		return nil
	})
	f.click.Start()
	f.waitCommitted(60 * time.Second)
	f.wantMessages(6000, 6)
}

// Rows that ClickHouse refuses for their data are dead letters; the others of their blocks are stored.
func TestRefusedRowsAreDeadLetters(t *testing.T) {
	f := newFixture(t, 2)
	f.query("ALTER TABLE $chat_messages_raw ADD CONSTRAINT poison CHECK content NOT LIKE 'poison%'")
	f.append(chatter(0, 500, 3)...)
	f.append(say("room-0", "eve", "p1", "poison 1"), say("room-2", "eve", "p2", "poison 2"))
	f.append(chatter(500, 500, 3)...)
	f.ingest(nil)
	f.waitCommitted(30 * time.Second)
	f.wantMessages(1000, 3)
	letters := f.letters()
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	for key, l := range letters {
		if string(l.Header(headerReason)) != "refused" || len(l.Value) == 0 {
			t.Errorf("letter %s: reason %s, %d bytes", key, l.Header(headerReason), len(l.Value))
		}
		t.Logf("detail %s", l.Header(headerDetail))
	}
}

// While every row is refused, the table is at fault and nothing is given up.
func TestNothingIsGivenUpWhileAllRowsAreRefused(t *testing.T) {
	f := newFixture(t, 1)
	f.query("ALTER TABLE $chat_messages_raw ADD CONSTRAINT nothing CHECK 0")
	in := f.ingest(nil)
	f.append(chatter(0, 10, 1)...)
	testkit.Eventually(t, 20*time.Second, func() error {
		if n := value(t, in.metrics.Retries.WithLabelValues("insert")); n < 3 {
			return fmt.Errorf("%v retries", n)
		}
		return nil
	})
	f.query("ALTER TABLE $chat_messages_raw DROP CONSTRAINT nothing")
	f.waitCommitted(20 * time.Second)
	f.wantMessages(10, 1)
	if n := len(f.letters()); n != 0 {
		t.Errorf("%d dead letters, want 0", n)
	}
}

func TestTwoIngestsShareAndTakeOver(t *testing.T) {
	f := newFixture(t, 4)
	first := f.ingest(nil)
	f.append(chatter(0, 2000, 9)...)
	second := f.ingest(nil)
	f.append(chatter(2000, 2000, 9)...)
	testkit.Eventually(t, 30*time.Second, func() error {
		f.append(chatter(0, 9, 9)...) // retries: they change nothing
		if value(t, second.metrics.Blocks) == 0 {
			return errors.New("the second has stored nothing yet")
		}
		return nil
	})
	f.stop(first)
	f.append(chatter(4000, 2000, 9)...)
	f.waitCommitted(40 * time.Second)
	f.wantMessages(6000, 9)
}
