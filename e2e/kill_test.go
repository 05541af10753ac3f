package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"splitsync/e2e/upproc"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
	"splitsync/load"
)

// TestKill9AndResume kills everything in the middle of a load, up with its ClickHouse and the load too, starts again on the same data, and resumes
// the load. Nothing that was acknowledged is lost, nothing is there twice.
func TestKill9AndResume(t *testing.T) {
	interruptAndResume(t, (*upproc.Up).Kill9All)
}

// TestInterruptAndResume does the same with Ctrl-C: up drains within 15 s, and goes on from DATA_DIR.
func TestInterruptAndResume(t *testing.T) {
	interruptAndResume(t, func(u *upproc.Up) {
		begin := time.Now()
		if u.Stop(); time.Since(begin) > 15*time.Second {
			t.Errorf("the drain took %s", time.Since(begin))
		}
	})
}

func interruptAndResume(t *testing.T, end func(*upproc.Up)) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const lines = 4000
	file, _, _ := chatLog(t, seed, lines)
	receiver, env := receive(t)
	u := upproc.Start(t, append(env, onKafka(t)...)...)
	told := newAcks(1 + int(seed%(lines*3/4)))
	cfg := player(u, file, receiver)
	cfg.Acked = told.add

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type result struct {
		ledger *load.Ledger
		err    error
	}
	done := make(chan result, 1)
	go func() {
		l, err := load.Run(ctx, cfg, testkit.Log(t))
		done <- result{l, err}
	}()
	<-told.full
	end(u)
	cancel()
	first := <-done
	if first.err != nil || !first.ledger.Interrupted || first.ledger.Holds() {
		t.Fatalf("the first run: %+v, %v", first.ledger, first.err)
	}
	u.Restart()
	cfg.Resume, cfg.Acked = true, nil
	ledger := play(t, u, cfg)
	if ledger.Skipped < len(told.told) {
		t.Errorf("%d lines were acknowledged, %d are stored", len(told.told), ledger.Skipped)
	}
	theStoreHas(t, u, told)
}

// theStoreHas finds every acknowledged line under its seq.
func theStoreHas(t *testing.T, u *upproc.Up, told *acks) {
	t.Helper()
	stored := map[string]uint64{}
	for _, row := range sql(t, u, "SELECT room_id, client_msg_id, seq FROM chat_messages FORMAT TSV") {
		cells := strings.Split(row, "\t")
		seq, err := strconv.ParseUint(cells[2], 10, 64)
		if err != nil {
			t.Fatalf("row %q: %v", row, err)
		}
		stored[cells[0]+" "+cells[1]] = seq
	}
	for line, seq := range told.told {
		if stored[line] != seq {
			t.Errorf("%s was acknowledged with seq %d, the store has %d", line, seq, stored[line])
		}
	}
}

// TestKill9WhileTheLoadGoesOn kills up in the middle of a load whose clients reconnect by themselves: they see everything that they should, and
// every line is there once.
func TestKill9WhileTheLoadGoesOn(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const lines = 4000
	file, _, _ := chatLog(t, seed, lines)
	receiver, env := receive(t)
	u := upproc.Start(t, env...)
	told := newAcks(1 + int(seed%(lines*3/4)))
	cfg := player(u, file, receiver)
	cfg.Acked = told.add
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		<-told.full
		u.Kill9All()
		u.Restart()
	}()
	play(t, u, cfg)
	<-killed
	theStoreHas(t, u, told)
}

// TestFaultLostAnswers throws the broker's answers away while a load runs, after its connections were cut twice: nothing is in the log twice, every
// Ack's seq is the one that all others see, and nothing that was acknowledged is lost.
func TestFaultLostAnswers(t *testing.T) {
	faultyBroker(t, func(p *testkit.Proxy) { p.LoseAnswers(100 * time.Millisecond) }, 400*time.Millisecond)
}

// TestFaultOutage takes the broker away for longer than the gateway accepts new messages without an answer: it refuses them, and the load sends
// them again.
func TestFaultOutage(t *testing.T) {
	faultyBroker(t, (*testkit.Proxy).Cut, 4*time.Second)
}

// faultyBroker plays a log while connections are cut twice, at once whole again, and then the fault comes for a while. It comes last: a consumer
// that vanishes while kfake still waits for another that vanished keeps its partitions for ever (Apache Kafka drops it).
func faultyBroker(t *testing.T, fault func(*testkit.Proxy), last time.Duration) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	proxy := testkit.NewProxy(t, broker.Addr())
	broker.Advertise(proxy.Addr())
	file, _, _ := chatLog(t, seed, 3000)
	receiver, env := receive(t)
	u := upproc.Start(t, append(env, "KAFKA_BROKERS="+proxy.Addr())...)
	random := rand.New(rand.NewPCG(seed, 2))
	steps := []*acks{newAcks(200 + random.IntN(500)), newAcks(800 + random.IntN(500)), newAcks(1400 + random.IntN(1000)), newAcks(4000)}
	cfg := player(u, file, receiver)
	cfg.Acked = func(room string, line int, seq uint64) {
		for _, s := range steps {
			s.add(room, line, seq)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, s := range steps[:2] {
			<-s.full
			proxy.Reset()
		}
		<-steps[2].full
		fault(proxy)
		testkit.Eventually(t, 10*time.Second, pause(last))
		proxy.Heal()
	}()
	ledger := play(t, u, cfg)
	<-done
	t.Logf("%d repetitions of refused lines", ledger.Retries)
	theStoreHas(t, u, steps[3])
}

// pause is a condition that holds after d: a fault has to last for a while.
func pause(d time.Duration) func() error {
	until := time.Now().Add(d)
	return func() error {
		if left := time.Until(until); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	}
}
