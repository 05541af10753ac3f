package exporter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/exporter/journal"
	"splitsync/internal/kafkalog"
	"splitsync/internal/testkit"
)

// shout appends n messages of some size to a room.
func (r *rig) shout(room string, n, size int) {
	r.t.Helper()
	for i := range n {
		e := &event.Message{RoomID: room, UserID: "ann", Nickname: "Ann", Content: fmt.Sprintf("%s %d ", room, i) + strings.Repeat("x", size)}
		if _, err := r.chat.AppendEvent(r.t.Context(), e, 0); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestFullBuffersCutTheLargestRoomsEarlyAndThenStopReading(t *testing.T) {
	r, to := newRig(t, 1), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL, cfg.ChatHistory.Size, cfg.ChatHistory.Interval = to.URL(), 1000, time.Hour
	cfg.BufferBytes = 64 << 10
	to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 503} })
	run := r.start(cfg, nil)
	r.say("quiet", 0, 1)
	r.shout("loud", 100, 1000)
	s := run.streams[Chat]
	testkit.Eventually(t, patience, func() error {
		if s.used.Load() < cfg.BufferBytes || run.Status()[Chat].State != Paused {
			return fmt.Errorf("%d bytes, %+v", s.used.Load(), run.Status()[Chat])
		}
		return nil
	})
	r.shout("loud", 200, 1000)
	seen := len(to.Requests())
	to.WaitFor(patience, func(got []testkit.Received) error { // it goes on probing, and takes no more
		if len(got) < seen+3 {
			return errors.New("no probes")
		}
		return nil
	})
	// A poll of the log is at most 4 MiB; here everything of the first shout may have come with one.
	if used := s.used.Load(); used > cfg.BufferBytes+150*1100 {
		t.Errorf("%d bytes are held, the bound is %d", used, cfg.BufferBytes)
	}
	to.Decide(nil)
	to.WaitFor(patience, func([]testkit.Received) error {
		n := 0
		for _, b := range chatBodies(t, to.Accepted()) {
			if b.RoomID == "quiet" {
				t.Fatal("a quiet room is cut early beside a loud one")
			}
			n += len(b.Messages)
		}
		if n < 290 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if held := s.used.Load(); held != 0 {
		t.Errorf("%d bytes are counted after the end", held)
	}
}

func TestAJournalOfANewerVersionStopsTheStream(t *testing.T) {
	r, to := newRig(t, 1), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL = to.URL()
	run := r.start(cfg, nil)
	r.say("lobby", 0, 10)
	waitSaid(t, to, map[string]int{"lobby": 10})
	p := r.producer(event.Deliveries)
	if _, err := p.Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte("x"), Value: []byte(`{"v":2,"type":"cut","stream":"chat"}`)}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if st := run.Status()[Chat]; st.State != Halted || st.LastError == "" {
			return fmt.Errorf("%+v", st)
		}
		return nil
	})
	r.say("lobby", 10, 10)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(to.Accepted()); n != 1 {
		t.Errorf("%d batches, want the one from before", n)
	}
}

func TestSecretsAndTextStayOutOfTheLog(t *testing.T) {
	r, to := newRig(t, 1), testkit.NewReceiver(t)
	to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 400, Body: "answer-text"} })
	cfg := quick()
	cfg.ChatHistory.URL = to.URL() + "/hook?token=url-token"
	cfg.ChatHistory.Headers = map[string]string{"Authorization": "Bearer header-token"}
	cfg.MaxRetries = 0
	logged := &strings.Builder{}
	run := r.startLogging(cfg, logged)
	r.say("lobby", 0, 3)
	r.letters(1)
	if err := run.stop(); err != nil {
		t.Fatal(err)
	}
	text := logged.String()
	if !strings.Contains(text, "dead-lettered") {
		t.Fatalf("nothing was logged: %s", text)
	}
	for _, secret := range []string{"url-token", "header-token", "answer-text", "lobby 1", testSecret[6:]} {
		if strings.Contains(text, secret) {
			t.Errorf("%q stands in the log", secret)
		}
	}
	if got := to.Requests()[0].Header.Get("Authorization"); got != "Bearer header-token" {
		t.Errorf("Authorization: %q", got)
	}
}

func TestARangeThatAFormerOwnerRecordsAsLostIsLetGo(t *testing.T) {
	r, to := newRig(t, 1), testkit.NewReceiver(t)
	cfg := quick()
	cfg.ChatHistory.URL, cfg.ChatHistory.Interval = to.URL(), time.Hour
	run := r.start(cfg, nil)
	to.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 503} })
	r.say("lobby", 0, 23) // two open deliveries and three records that wait
	testkit.Eventually(t, patience, func() error {
		if run.Status()[Chat].State != Paused {
			return errors.New("not paused")
		}
		return nil
	})
	lost, err := journal.Encode(&journal.Lost{Stream: "chat", From: 0, To: 15})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.producer(event.Deliveries).Append(t.Context(), 0, kafkalog.Outgoing{Key: []byte("x"), Value: lost}); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error { // the commit passes the range
		if st := run.Status()[Chat]; st.Lag > 8 || st.Lag == 0 {
			return fmt.Errorf("lag %d", st.Lag)
		}
		return nil
	})
	to.Decide(nil)
	r.say("lobby", 23, 12)
	to.WaitFor(patience, func([]testkit.Received) error {
		texts := said(t, to.Accepted())["lobby"]
		if len(texts) < 20 {
			return fmt.Errorf("%d messages go on", len(texts))
		}
		for i, text := range texts[len(texts)-20:] { // a probe may have passed before the range was read
			if text != fmt.Sprintf("lobby %d", 15+i) {
				return fmt.Errorf("message %d is %q", i, text)
			}
		}
		return nil
	})
	if err := to.SameBytes(); err != nil {
		t.Fatal(err)
	}
}
