package examples_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

type record struct {
	CreatedAt int64  `json:"created_at"`
	Seq       int    `json:"seq"`
	MessageID string `json:"message_id"`
	Content   string `json:"content"`
}

// room is a room of n messages, two a second, newest first.
func room(n int) []record {
	var out []record
	for i := range n {
		seq := n - i
		out = append(out, record{1700000000 + int64(seq/2), seq, fmt.Sprint("m", seq), "ünï\n"})
	}
	return out
}

// syncAPI serves chat-history of the room "r" as the contract says; spoil may change an answer of a page.
func syncAPI(t *testing.T, rows func(page int) []record, spoil func(page int, answer map[string]any)) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/management/sync/chat-history/r" || r.Header.Get("X-Api-Key") != "key" {
			http.Error(w, `{"error":"no"}`, http.StatusUnauthorized)
			return
		}
		num := func(key string) int {
			n, err := strconv.Atoi(r.FormValue(key))
			if err != nil {
				t.Errorf("%s=%q: %v", key, r.FormValue(key), err)
			}
			return n
		}
		page, limit, from, to := num("page"), num("limit"), int64(num("from")), int64(num("to"))
		all := slices.DeleteFunc(slices.Clone(rows(page)), func(r record) bool { return r.CreatedAt < from || r.CreatedAt > to })
		pages := (len(all) + limit - 1) / limit
		answer := map[string]any{
			"room_id": "r", "records": all[min(len(all), (page-1)*limit):min(len(all), page*limit)],
			"pagination": map[string]any{
				"current_page": page, "total_pages": pages, "total_records": len(all), "page_size": limit, "has_next": page < pages, "has_prev": page > 1,
			},
		}
		spoil(page, answer)
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestSyncClientReadsEveryPage(t *testing.T) {
	steady := func(int) []record { return room(25) }
	url := syncAPI(t, steady, func(int, map[string]any) {})
	for _, c := range []struct {
		limit, from, to string
		records, pages  int
	}{
		{"10", "1700000000", "1800000000", 25, 3}, {"5", "1700000000", "1800000000", 25, 5}, {"25", "1700000000", "1800000000", 25, 1},
		{"1000", "1700000000", "1800000000", 25, 1}, {"1", "1700000003", "1700000005", 6, 6}, {"10", "1800000000", "1800000000", 0, 1},
	} {
		file := filepath.Join(t.TempDir(), "out.jsonl")
		out, code := script(t, "sync-client/sync_client.py", "--url", url, "--api-key", "key", "--room", "r", "--limit", c.limit, "--from", c.from, "--to", c.to, "--out", file)
		var got struct{ Records, Pages int }
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got.Records != c.records || got.Pages != c.pages {
			t.Errorf("limit %s, %s to %s: exit code %d, %s; want %d records on %d pages", c.limit, c.from, c.to, code, out, c.records, c.pages)
			continue
		}
		lines, err := os.ReadFile(file)
		if err != nil || strings.Count(string(lines), "\n") != c.records {
			t.Errorf("limit %s: the file has %d lines (%v), want %d", c.limit, strings.Count(string(lines), "\n"), err, c.records)
		}
	}
}

func TestSyncClientStartsAgainWhenTheRoomGrows(t *testing.T) {
	asked := 0
	grows := func(page int) []record {
		if asked++; asked < 3 {
			return room(23 + asked)
		}
		return room(25)
	}
	url := syncAPI(t, grows, func(int, map[string]any) {})
	out, code := script(t, "sync-client/sync_client.py", "--url", url, "--api-key", "key", "--room", "r", "--limit", "10", "--from", "0", "--to", "1800000000")
	if code != 0 || !strings.Contains(out, `"records": 25`) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestSyncClientFindsWhatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(page int, answer map[string]any){
		"comes twice": func(page int, a map[string]any) {
			if rows := a["records"].([]record); page == 2 {
				rows[3].MessageID = rows[2].MessageID
			}
		},
		"not newest first": func(_ int, a map[string]any) { slices.Reverse(a["records"].([]record)) },
		"records is":       func(_ int, a map[string]any) { a["records"] = a["records"].([]record)[1:] },
		"has_next is":      func(_ int, a map[string]any) { a["pagination"].(map[string]any)["has_next"] = false },
		"total_pages is":   func(_ int, a map[string]any) { a["pagination"].(map[string]any)["total_pages"] = 7 },
		"room_id is":       func(_ int, a map[string]any) { a["room_id"] = "other" },
		"outside from and": func(page int, a map[string]any) {
			if rows := a["records"].([]record); page == 1 {
				rows[0].CreatedAt = 1900000000
			}
		},
		"KeyError": func(_ int, a map[string]any) { delete(a, "records") },
	} {
		url := syncAPI(t, func(int) []record { return room(25) }, spoil)
		out, code := script(t, "sync-client/sync_client.py", "--url", url, "--api-key", "key", "--room", "r", "--limit", "10", "--from", "0", "--to", "1800000000")
		if code != 1 || !strings.Contains(out, name) {
			t.Errorf("a server that does it wrong: exit code %d, %q; want 1 and %q", code, out, name)
		}
	}
}
