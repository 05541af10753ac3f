package kafkalog_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/devstack"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// send queues n numbered messages and returns their answers once all have come.
type answers struct {
	mu      sync.Mutex
	offsets map[int]int64
	errs    map[int]error
	wg      sync.WaitGroup
}

func newAnswers() *answers { return &answers{offsets: map[int]int64{}, errs: map[int]error{}} }

func (a *answers) send(t *testing.T, l *kafkalog.Log, p *kafkalog.Producer, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		r, err := kafkalog.Encode(message("room", "ann", "", fmt.Sprint(i)), 0)
		if err != nil {
			t.Fatal(err)
		}
		a.wg.Add(1)
		err = p.Send(l.PartitionOf("room"), r, func(offset int64, err error) {
			defer a.wg.Done()
			a.mu.Lock()
			defer a.mu.Unlock()
			if err != nil {
				a.errs[i] = err
				return
			}
			a.offsets[i] = offset
		})
		if err != nil {
			a.wg.Done()
			a.mu.Lock()
			a.errs[i] = err
			a.mu.Unlock()
		}
	}
}

// verify checks that every acknowledged message stands once in the log, where its answer said, and no certain refusal is there.
func (a *answers) verify(t *testing.T, l *kafkalog.Log) {
	t.Helper()
	a.wg.Wait()
	part := l.PartitionOf("room")
	_, end, err := l.Offsets(t.Context(), event.Chat, part)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := l.OpenTail(t.Context(), event.Chat, part, kafkalog.Start)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string][]int64{}
	for _, e := range readAll(t, tail, int(end)) {
		content := e.Event.(*event.Message).Content
		at[content] = append(at[content], e.Offset)
	}
	for i, offset := range a.offsets {
		if got := at[fmt.Sprint(i)]; len(got) != 1 || got[0] != offset {
			t.Errorf("message %d was acknowledged at %d and stands at %v", i, offset, got)
		}
	}
	for i, err := range a.errs {
		if errors.Is(err, kafkalog.ErrNotStored) && len(at[fmt.Sprint(i)]) != 0 {
			t.Errorf("message %d was refused as not stored and stands at %v: %v", i, at[fmt.Sprint(i)], err)
		}
		if len(at[fmt.Sprint(i)]) > 1 {
			t.Errorf("message %d stands at %v", i, at[fmt.Sprint(i)])
		}
	}
	t.Logf("%d acknowledged, %d refused or unknown, %d in the log", len(a.offsets), len(a.errs), end)
}

// A lost answer is asked for again with the same bytes: the log gets nothing twice, and the answer tells the first offset.
func TestFaultLostAnswersPutNothingInTwice(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	proxy := testkit.NewProxy(t, broker.Addr())
	broker.Advertise(proxy.Addr())
	l, _ := openAt(t, proxy.Addr(), 1)
	p := producer(t, l, event.Chat)
	a := newAnswers()
	a.send(t, l, p, 0, 100)
	a.wg.Wait()
	for round := range 3 {
		proxy.LoseAnswers(50 * time.Millisecond)
		a.send(t, l, p, 100+round*100, 200+round*100)
		testkit.Eventually(t, 10*time.Second, func() error { // the broker has them, the producer does not know
			direct, err := kafkalog.Open(t.Context(), kafkalog.Config{Brokers: []string{broker.Addr()}}, testkit.Log(t))
			if err != nil {
				return err
			}
			return direct.Close()
		})
		proxy.Heal()
		a.wg.Wait()
	}
	if len(a.offsets) != 400 {
		t.Errorf("%d of 400 acknowledged: %v", len(a.offsets), a.errs)
	}
	a.verify(t, l)
}

func TestFaultCutConnectionsAndRestarts(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{Fsync: true})
	proxy := testkit.NewProxy(t, broker.Addr())
	broker.Advertise(proxy.Addr())
	l, _ := openAt(t, proxy.Addr(), 1)
	p := producer(t, l, event.Chat)
	a := newAnswers()
	for i, fault := range []func(){proxy.Reset, func() { proxy.Cut(); proxy.Heal() }, broker.Restart, proxy.Reset, func() { broker.Advertise(proxy.Addr()); broker.Restart() }} {
		a.send(t, l, p, i*1000, i*1000+500)
		fault()
		a.send(t, l, p, i*1000+500, (i+1)*1000)
		a.wg.Wait()
	}
	if len(a.offsets) != 5000 {
		t.Errorf("%d of 5000 acknowledged", len(a.offsets))
	}
	a.verify(t, l)
}

// While the log is away for longer than a moment, new records are refused at once and certainly not stored.
func TestFaultOutageRefusesNewRecords(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	l, _ := openAt(t, broker.Addr(), 1)
	p := producer(t, l, event.Chat)
	a := newAnswers()
	a.send(t, l, p, 0, 10)
	a.wg.Wait()
	broker.Stop()
	a.send(t, l, p, 10, 20) // waits for the log
	testkit.Eventually(t, 20*time.Second, func() error {
		r, err := kafkalog.Encode(message("room", "ann", "", "refused"), 0)
		if err != nil {
			return err
		}
		a.wg.Add(1)
		err = p.Send(0, r, func(int64, error) { a.wg.Done() })
		if err == nil {
			return errors.New("still accepted")
		}
		a.wg.Done()
		if !errors.Is(err, kafkalog.ErrNotStored) {
			return fmt.Errorf("refused with %w", err)
		}
		return nil
	})
	broker.Start()
	a.wg.Wait()
	if len(a.offsets) != 20 {
		t.Errorf("%d of 20 acknowledged: %v", len(a.offsets), a.errs)
	}
}

func TestTooLargeRecordsDoNotHinderOthers(t *testing.T) {
	l, _ := open(t, 1)
	p := producer(t, l, event.Chat)
	if _, err := p.Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte("room"), Value: make([]byte, 2<<20)}); !errors.Is(err, kafkalog.ErrTooLarge) {
		t.Errorf("2 MiB: %v", err)
	}
	appendEvent(t, p, message("room", "ann", "", "x"), 0)
}
