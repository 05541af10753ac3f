package syncapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	chatPath    = "/management/sync/chat-history/lobby"
	sessionPath = "/management/sync/session-history/lobby"
	roomsPath   = "/management/sync/rooms"
	legacyPath  = "/management/sync"
)

func TestWrongParametersAreNamed(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}})
	own := f.log.PartitionOf("lobby")
	for _, tc := range []struct{ path, want string }{
		{chatPath + "?page=0", "page: want a whole number from 1 to 1000000000"},
		{chatPath + "?page=x", "page: want"},
		{chatPath + "?limit=0", "limit: want a whole number from 1 to 10000"},
		{chatPath + "?limit=10001", "limit: want a whole number from 1 to 10000"},
		{sessionPath + "?limit=5001", "limit: want a whole number from 1 to 5000"},
		{chatPath + "?from=yesterday", "from: want Unix seconds"},
		{chatPath + "?to=-1", "to: want Unix seconds"},
		{chatPath + "?from=200&to=100", "from: is after to"},
		{chatPath + "?order=up", "order: want one of desc, asc"},
		{chatPath + "?kinds=message,whisper", "kinds: want a list of"},
		{chatPath + "?after_seq=-1", "after_seq: want"},
		{chatPath + "?before_seq=9007199254740992", "before_seq: want"},
		{chatPath + "?snapshot=17", "snapshot: want"},
		{chatPath + "?snapshot=szzzzzzzzzzzzzzzzz", "snapshot: want"},
		{chatPath + "?cursor=abc", "cursor: not supported here yet"},
		{chatPath + "?include_open=true", "include_open: not supported"},
		{chatPath + "?min_watermark=1", "min_watermark: want partition:offset with a partition from 0 to 1"},
		{chatPath + "?min_watermark=2:5", "min_watermark: want partition:offset"},
		{chatPath + fmt.Sprintf("?min_watermark=%d:5", 1-own), fmt.Sprintf("min_watermark: want %d:offset", own)},
		{chatPath + "?page=0&limit=0", "; limit: want"},
		{chatPath + "?limit=1&limit=2", "limit: given more than once"},
		{sessionPath + "?include_open=maybe", "include_open: want true or false"},
		{sessionPath + "?kinds=message", "kinds: not supported"},
		{"/management/sync/chat-history/" + strings.Repeat("x", 129), "room_id: want 1 to 128"},
		{"/management/sync/session-history/a%20b", "room_id: want 1 to 128"},
		{roomsPath + "?state=ajar", "state: want one of"},
		{roomsPath + "?limit=0", "limit: want"},
		{roomsPath + "?cursor=x", "cursor: not supported here yet"},
		{roomsPath + "?updated_since=x", "updated_since: want"},
		{legacyPath + "?cursor=x", "cursor: not supported here yet"},
		{legacyPath + "?limit=5", "limit: not supported here yet"},
	} {
		resp, body := f.do("GET", tc.path)
		var p httpapi.Problem
		if err := json.Unmarshal(body, &p); err != nil || resp.StatusCode != 400 || !strings.Contains(p.Detail, tc.want) || p.Error != p.Detail {
			t.Errorf("%s: %d %s, want %q", tc.path, resp.StatusCode, body, tc.want)
		}
	}
	for accept, want := range map[string]int{"application/x-ndjson": 400, "application/x-ndjson, */*;q=0.1": 200, "text/html, application/json": 200, "": 200} {
		if resp, body := f.do("GET", chatPath, "Accept", accept); resp.StatusCode != want {
			t.Errorf("Accept %s: %d %s", accept, resp.StatusCode, body)
		}
	}
}

func TestKeyIsNeeded(t *testing.T) {
	f := start(t, nil)
	for _, path := range []string{chatPath, sessionPath, roomsPath, legacyPath} {
		for _, key := range []string{"", "wrong"} {
			if resp, body := f.do("GET", path, "X-Api-Key", key); resp.StatusCode != 401 {
				t.Errorf("%s with key %q: %d %s", path, key, resp.StatusCode, body)
			}
		}
		if resp, _ := f.do("GET", path, "X-Api-Key", "", "Authorization", "Bearer "+apiKey); resp.StatusCode == 401 {
			t.Errorf("%s refuses a bearer", path)
		}
	}
	if resp, _ := f.do("POST", legacyPath, "X-Api-Key", ""); resp.StatusCode != 401 {
		t.Errorf("POST without key: %d", resp.StatusCode)
	}
	for path, contentType := range map[string]string{"/openapi.json": "application/json", "/docs": "text/html; charset=utf-8"} {
		if resp, body := f.do("GET", path, "X-Api-Key", ""); resp.StatusCode != 200 || resp.Header.Get("Content-Type") != contentType || len(body) < 1000 {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestWatermarkAndLag(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}})
	own := f.log.PartitionOf("lobby")
	fresh := func() (watermark, lag string) {
		var p page[event.ChatRecord]
		h := f.get(chatPath, &p)
		return h.Get("X-Sync-Watermark"), h.Get("X-Sync-Lag-Ms")
	}
	if w, lag := fresh(); w != fmt.Sprintf("%d:-1", own) || lag != "0" {
		t.Errorf("nothing logged: watermark %s, lag %s", w, lag)
	}
	last := f.append("lobby", 5)
	f.commit(event.Chat, own, 3)
	eventually(t, func() string {
		w, lag := fresh()
		if w != fmt.Sprintf("%d:2", own) || lag == "0" {
			return fmt.Sprintf("three of five stored: watermark %s, lag %s", w, lag)
		}
		return ""
	})
	f.commit(event.Chat, own, last+1)
	eventually(t, func() string {
		if w, lag := fresh(); w != fmt.Sprintf("%d:%d", own, last) || len(lag) > 3 {
			return fmt.Sprintf("all stored: watermark %s, lag %s", w, lag)
		}
		return ""
	})
	var p page[event.ChatRecord]
	f.get(chatPath+fmt.Sprintf("?min_watermark=%d:%d", own, last), &p)
	go f.commit(event.Chat, own, last+2) // what a later batch would make true
	f.get(chatPath+fmt.Sprintf("?min_watermark=%d:%d", own, last+1), &p)
	var rooms []syncRoom
	if w := f.get(roomsPath, &rooms).Get("X-Sync-Watermark"); w != "0:-1,1:-1" {
		t.Errorf("watermark of the rooms is %s", w)
	}
}

// eventually asks until check returns nothing.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(wrong)
		}
	}
}

func TestMinWatermarkThatDoesNotCome(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}})
	begin := time.Now()
	resp, body := f.do("GET", chatPath+fmt.Sprintf("?min_watermark=%d:7", f.log.PartitionOf("lobby")))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(string(body), "min_watermark") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	if d := time.Since(begin); d < minWait || d > 2*minWait {
		t.Errorf("waited %v", d)
	}
}

func TestGzip(t *testing.T) {
	f := start(t, nil)
	rows := messages("lobby", 500, 1000)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: rows})
	_, plain := f.do("GET", chatPath+"?snapshot="+snapshotText(epoch|1<<40))
	resp, packed := f.do("GET", chatPath+"?snapshot="+snapshotText(epoch|1<<40), "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" || len(packed) > len(plain)/3 || resp.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("%v, %d of %d bytes", resp.Header, len(packed), len(plain))
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(unpacked, plain) {
		t.Errorf("%v: gzip changes the answer", err)
	}
}

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
	f.get(legacyPath, &rooms)
}

func TestSyncNowIsInTheLog(t *testing.T) {
	f := start(t, nil)
	before := time.Now().UnixMilli()
	resp, body := f.do("POST", legacyPath)
	var a accepted
	if err := json.Unmarshal(body, &a); err != nil || resp.StatusCode != 202 || a.Status != "accepted" || a.RequestedAtMS < before {
		t.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	records, err := f.log.OpenReader(event.Control, controlPartition, kafkalog.Start).Next(t.Context())
	if err != nil || len(records) != 1 || string(records[0].Key) != event.SyncNowKey {
		t.Fatalf("%v, %v", records, err)
	}
	var demand event.SyncRequest
	if err := json.Unmarshal(records[0].Value, &demand); err != nil || demand.RequestedAtMS != a.RequestedAtMS {
		t.Errorf("%s: %v", records[0].Value, err)
	}
}

func TestEndedHistoryIs503(t *testing.T) {
	f := start(t, nil)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{chatPath, sessionPath, roomsPath, legacyPath} {
		resp, body := f.do("GET", path)
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "the history is unavailable") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestSlowRequestIsEnded(t *testing.T) {
	f := start(t, func(c *Config) { c.RequestTimeout = time.Nanosecond })
	resp, body := f.do("GET", chatPath)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "took too long") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestCutAnswersAreSeen(t *testing.T) {
	f := start(t, nil)
	rows := messages("lobby", 2000, 1000)
	for i := range rows {
		rows[i].Content = strings.Repeat("x", 400)
	}
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: rows})
	req, err := http.NewRequestWithContext(context.Background(), "GET", f.http.URL+legacyPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	resp, err := f.hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !bytes.HasSuffix(body, []byte("]\n")) {
		t.Errorf("whole answer: %v", err)
	}
}
