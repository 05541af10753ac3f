package devstack_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"splitsync/internal/devstack"
)

// fakeNPM puts an npm of its own before all others on PATH and returns the file in which it notes its runs.
func fakeNPM(t *testing.T, script string) (runs string) {
	dir := t.TempDir()
	runs = filepath.Join(dir, "runs")
	body := "#!/bin/sh\necho \"$@\" >> " + runs + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(body), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return runs
}

// unpacks is an npm that installs a small file as the library, where the lockfile pins a sha512.
const unpacks = `grep -q '"integrity": "sha512-' package-lock.json || exit 1
lib=node_modules/@chdb/lib-linux-x64-gnu
mkdir -p $lib && echo library > $lib/libchdb.so`

func TestFetchRunsNPMOnceAlsoForTwo(t *testing.T) {
	runs := fakeNPM(t, unpacks)
	cache := filepath.Join(t.TempDir(), "cache")
	paths := make([]string, 4)
	var wait sync.WaitGroup
	for i := range paths {
		wait.Go(func() {
			path, err := devstack.Fetch(t.Context(), cache, func(string) {})
			if err != nil {
				t.Error(err)
			}
			paths[i] = path
		})
	}
	wait.Wait()
	for _, path := range paths {
		if text, err := os.ReadFile(path); err != nil || string(text) != "library\n" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	text, err := os.ReadFile(runs)
	if err != nil || strings.Count(string(text), "\n") != 1 || !strings.HasPrefix(string(text), "ci ") {
		t.Errorf("npm ran with %q, %v; want one `npm ci`", text, err)
	}
	if _, err := os.Stat(filepath.Join(cache, "fetch.tmp")); !os.IsNotExist(err) {
		t.Errorf("the fetch left its temporary folder: %v", err)
	}
}

func TestFetchStartsAnewAfterOneThatWasKilled(t *testing.T) {
	fakeNPM(t, unpacks)
	cache := t.TempDir()
	left := filepath.Join(cache, "fetch.tmp", "npm", "node_modules", "@chdb", "lib-linux-x64-gnu")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "libchdb.so"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := devstack.Library(cache); err == nil {
		t.Fatalf("half a fetch was taken for the library: %s", path)
	}
	path, err := devstack.Fetch(t.Context(), cache, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); string(text) != "library\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestFetchTellsWhatIsWrongInOneLine(t *testing.T) {
	for want, script := range map[string]string{
		"not the pinned one": "echo 'npm error code EINTEGRITY'; exit 1",
		"the disk is full":   "echo 'npm error code ENOSPC'; exit 1",
		"CLICKHOUSE_BIN":     "echo 'npm error code EBADPLATFORM'; exit 1",
		"no such host":       "echo 'npm error code ENOTFOUND'; echo 'npm error no such host'; echo 'npm error A complete log of this run'; exit 1",
		"has no libchdb.so":  "exit 0",
	} {
		fakeNPM(t, script)
		_, err := devstack.Fetch(t.Context(), t.TempDir(), func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want one line with %q", err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := devstack.Fetch(t.Context(), t.TempDir(), func(string) {}); err == nil || !strings.Contains(err.Error(), "no npm on PATH") {
		t.Errorf("without npm: %v", err)
	}
}
