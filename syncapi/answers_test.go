package syncapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
)

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
		{chatPath + "?order=up", "order: want one of asc, desc"},
		{chatPath + "?kinds=message,whisper", "kinds: want a list of"},
		{chatPath + "?after_seq=-1", "after_seq: want"},
		{chatPath + "?before_seq=9007199254740992", "before_seq: want"},
		{chatPath + "?snapshot=17", "snapshot: want"},
		{chatPath + "?snapshot=szzzzzzzzzzzzzzzzz", "snapshot: want"},
		{chatPath + "?cursor=abc", "cursor: not supported here"},
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
		{roomsPath + "?cursor=x", "cursor: not supported here"},
		{roomsPath + "?updated_since=x", "updated_since: want"},
		{legacyPath + "?cursor=x", "cursor: not supported here"},
		{legacyPath + "?limit=5", "limit: not supported here"},
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
