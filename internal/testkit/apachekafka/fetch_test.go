package apachekafka_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"splitsync/internal/testkit/apachekafka"
)

// fakeMaven puts a mvn of its own before all others on PATH.
func fakeMaven(t *testing.T, script string) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mvn"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestFetchTellsWhatIsWrong(t *testing.T) {
	for want, script := range map[string]string{
		"not in the lock file": `for a; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done; mkdir -p $d; echo x > $d/kafka_2.13-4.3.1.jar`,
		"the lock file jars":   `for a; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done; mkdir -p $d`,
		"no such artifact":     `echo '[INFO] x'; echo '[ERROR] no such artifact'; echo '[ERROR] more'; exit 1`,
	} {
		fakeMaven(t, script)
		cache := t.TempDir()
		_, err := apachekafka.Fetch(t.Context(), cache, func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v; want one line with %q", err, want)
		}
		if entries, err := filepath.Glob(filepath.Join(cache, "kafka-4.3.1*")); err != nil || len(entries) != 1 {
			t.Errorf("a failed fetch left %v, %v; want its lock only", entries, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := apachekafka.Fetch(t.Context(), t.TempDir(), func(string) {}); err == nil || !strings.Contains(err.Error(), "no mvn on PATH") {
		t.Errorf("without mvn: %v", err)
	}
	if _, err := apachekafka.Start(t.Context(), apachekafka.Config{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no java on PATH") {
		t.Errorf("without java: %v", err)
	}
}
