package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/internal/config"
	"splitsync/internal/metrics"
)

// invoke runs a command line in an empty folder.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		{[]string{"version"}, exitOK, "splitsync ", ""},
		{[]string{"help"}, exitOK, "Usage:", ""},
		{[]string{"help", "version"}, exitOK, "Print the version", ""},
		{[]string{"help", "config"}, exitOK, "EMBEDDED_CACHE_DIR", ""},
		{[]string{"gateway"}, exitUsage, "", "GATEWAY_AUTH: required, but not set"},
		{[]string{"ingest"}, exitUsage, "", "CLICKHOUSE_ADDR: required, but not set"},
		{[]string{"exporter"}, exitUsage, "", "KAFKA_BROKERS: required, but not set"},
		{[]string{"syncapi"}, exitUsage, "", "ADMIN_API_KEY: required, but not set"},
		{[]string{"migrate"}, exitUsage, "", "KAFKA_BROKERS: required, but not set"},
		{[]string{"nonsense"}, exitUsage, "", `unknown command "nonsense"`},
		{[]string{"version", "--nonsense"}, exitUsage, "", "unknown flag: --nonsense"},
		{[]string{"version", "more"}, exitUsage, "", `"more"`},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, out, errs := invoke(t, tt.args...)
			if code != tt.code || !strings.Contains(out, tt.stdout) || !strings.Contains(errs, tt.stderr) {
				t.Errorf("exit %d\nstdout: %s\nstderr: %s", code, out, errs)
			}
		})
	}
}

// TestGeneratedPages fails when a page in docs is not what the code says; make docs writes them.
func TestGeneratedPages(t *testing.T) {
	for name, page := range map[string]func() (string, error){
		"CONFIG.md":  func() (string, error) { return config.Docs(configSections()...) },
		"EVENTS.md":  func() (string, error) { return event.Document(), nil },
		"METRICS.md": func() (string, error) { return metrics.Docs(metricSections()...) },
	} {
		want, err := page()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("docs/%s is not current: run make docs", name)
		}
	}
}
