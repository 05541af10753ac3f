package syncapi

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"splitsync/internal/history"
)

var update = flag.Bool("update", false, "write the golden files")

func TestLegacyIsGolden(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{
		Rooms: []history.RoomRow{roomRow("a", 1), roomRow("empty", 2),
			{RoomID: "a", Aspect: history.AspectStats, Seq: epoch | 60, At: noon + 9000, CurrentUsers: 1, PeakUsers: 3, TotalJoins: 4, AdminUserIDs: []string{}}},
		Messages: messages("a", 11, 9000), Sessions: sessions("a", 4),
	})
	resp, body := f.do("GET", legacyPath)
	if resp.StatusCode != 200 || resp.Header.Get("X-Sync-Lag-Ms") != "0" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if *update {
		if err := os.WriteFile("testdata/legacy.golden.json", body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/legacy.golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(body, want) {
		t.Errorf("got\n%s\nwant\n%s", body, want)
	}
}

func TestLegacyIsWholeOverManyRooms(t *testing.T) {
	f := start(t, nil)
	b := &history.Block{}
	for i := range legacyRooms + 20 {
		room := fmt.Sprintf("r%04d", i)
		b.Rooms = append(b.Rooms, roomRow(room, uint64(i+1)))
		if i%100 == 0 {
			b.Messages = append(b.Messages, messages(room, 50, 1000)...)
		}
	}
	f.insert(b)
	var rooms []legacyRoom
	f.get(legacyPath, &rooms)
	if len(rooms) != legacyRooms+20 {
		t.Fatalf("%d rooms", len(rooms))
	}
	for i, r := range rooms {
		want := 0
		if i%100 == 0 {
			want = 45
		}
		if r.RoomID != fmt.Sprintf("r%04d", i) || len(r.ChatHistory) != want {
			t.Fatalf("room %d: %s with %d messages", i, r.RoomID, len(r.ChatHistory))
		}
	}
}

func TestLegacyIsBounded(t *testing.T) {
	f := start(t, func(c *Config) { c.LegacyParallel = 1 })
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("a", 1)}})
	var rooms []legacyRoom
	f.get(legacyPath, &rooms) // the place is given back
	f.s.legacySlots <- struct{}{}
	if resp, body := f.do("GET", legacyPath); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	<-f.s.legacySlots
	f.get(legacyPath, &rooms)
}
