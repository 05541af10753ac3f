package syncapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/devstack"
	"splitsync/internal/history"
	"splitsync/internal/testkit"
)

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
	waited := make(chan int, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", f.http.URL+chatPath+fmt.Sprintf("?min_watermark=%d:%d", own, last+1), nil)
		req.Header.Set("X-Api-Key", apiKey)
		resp, err := f.hc.Do(req)
		if err != nil {
			waited <- 0
			return
		}
		_ = resp.Body.Close()
		waited <- resp.StatusCode
	}()
	f.commit(event.Chat, own, last+2) // what a later batch would make true
	if status := <-waited; status != 200 {
		t.Errorf("min_watermark that comes later: %d", status)
	}
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

func TestWithoutKafkaPagesHaveNoWatermark(t *testing.T) {
	broker := testkit.FreshBroker(t, devstack.BrokerConfig{})
	f := startOn(t, broker.Addr(), nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: messages("lobby", 30, 1000)})
	broker.Stop()
	for range 2 { // the second does not wait
		begin := time.Now()
		var p page[event.ChatRecord]
		h := f.get(chatPath, &p)
		if h.Get("X-Sync-Watermark") != "" || h.Get("X-Sync-Lag-Ms") != "" || len(p.Records) != 27 || time.Since(begin) > 5*time.Second {
			t.Errorf("%d records after %v, %v", len(p.Records), time.Since(begin), h)
		}
	}
	broker.Start()
}
