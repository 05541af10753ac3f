package history

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/testkit"
)

// What Insert acknowledged survives kill -9 of ClickHouse, and a block that is repeated until it is acknowledged is there once.
func TestInsertsSurviveKillsOfTheServer(t *testing.T) {
	server := testkit.FreshClickHouse(t)
	s, err := Open(t.Context(), Config{Addr: []string{server.Addr()}, Database: "kills"}, testkit.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	rows := messageRows(rng, "room", 20_000)
	retry := func(f func() error) {
		testkit.Eventually(t, time.Minute, func() error {
			err := f()
			if err != nil && !IsTransient(err) {
				t.Fatalf("not transient: %v", err)
			}
			return err
		})
	}
	const kills = 4
	for n := range kills {
		part := rows[n*len(rows)/kills : (n+1)*len(rows)/kills]
		killed := make(chan struct{})
		timer := time.AfterFunc(time.Duration(rng.IntN(40))*time.Millisecond, func() { server.Kill9(); close(killed) })
		for len(part) > 0 {
			size := min(len(part), 50+rng.IntN(1500))
			select {
			case <-killed:
				server.Start()
				killed = nil
			default:
			}
			if err := s.Insert(t.Context(), &Block{Messages: part[:size]}); err != nil {
				if killed != nil {
					<-killed
					server.Start()
					killed = nil
				}
				retry(func() error { return s.Insert(t.Context(), &Block{Messages: part[:size]}) })
			}
			part = part[size:]
		}
		if !timer.Stop() && killed != nil {
			<-killed
			server.Start()
		}
	}
	var want, got int
	for _, r := range rows {
		if r.Kind == string(event.KindMessage) {
			want++
		}
	}
	var info PageInfo
	retry(func() (err error) {
		_, info, err = s.MessagePage(t.Context(), MessageQuery{RoomID: "room", Page: Page{Number: 1, Size: 1}})
		return err
	})
	_, err = s.EachMessage(t.Context(), MessageQuery{RoomID: "room"}, 0, func(event.ChatRecord) error { got++; return nil })
	if err != nil || got != want || info.Total != int64(want) {
		t.Errorf("%d records, %d counted, want %d: %v", got, info.Total, want, err)
	}
}

func TestOpenWaitsForTheServer(t *testing.T) {
	var lines bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	_, err := Open(ctx, Config{Addr: []string{"127.0.0.1:1"}, Password: "hidden"}, slog.New(slog.NewTextHandler(&lines, nil)))
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("error %v", err)
	}
	if text := lines.String(); strings.Count(text, "\n") != 1 || strings.Contains(text, "hidden") {
		t.Errorf("log %q", text)
	}
}
