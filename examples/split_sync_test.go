package examples_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"splitsync/e2e/upproc"
)

// Both clients run against the real binary: first the one that makes a room with messages, then the one that pages through it.
func TestSyncClientsAgainstUp(t *testing.T) {
	up := upproc.Start(t)
	out, code := script(t, "test_split_sync.py", "--url", up.URL, "--api-key", up.APIKey, "--room", "example")
	if code != 0 {
		t.Fatalf("test_split_sync.py ended with %d:\n%s", code, out)
	}
	file := filepath.Join(t.TempDir(), "room.jsonl")
	for _, limit := range []string{"1", "7", "10000"} {
		out, code := script(t, "sync-client/sync_client.py", "--url", up.URL, "--api-key", up.APIKey, "--room", "example", "--limit", limit,
			"--from", "1700000000", "--to", "4000000000", "--out", file)
		if code != 0 {
			t.Fatalf("sync_client.py --limit %s ended with %d:\n%s", limit, code, out)
		}
		var got struct{ Records, Pages int }
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got.Records != 18 { // what test_split_sync.py says
			t.Errorf("sync_client.py --limit %s found %d records, want 18", limit, got.Records)
		}
	}
	if out, code := script(t, "sync-client/sync_client.py", "--url", up.URL, "--api-key", "wrong", "--room", "example"); code != 1 {
		t.Errorf("sync_client.py with a wrong key ended with %d:\n%s", code, out)
	}
}
