package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEnvironPrefersTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	text := "# comment\nSPLITSYNC_T_FILE_ONLY=\"from file\"\nSPLITSYNC_T_BOTH=file\nexport SPLITSYNC_T_EMPTY=file\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SPLITSYNC_T_BOTH", "process")
	t.Setenv("SPLITSYNC_T_EMPTY", "")
	env, err := Environ(path)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"SPLITSYNC_T_FILE_ONLY": "from file", "SPLITSYNC_T_BOTH": "process", "SPLITSYNC_T_EMPTY": "file"} {
		if got := Get(env, k); got != want {
			t.Errorf("%s: got %q, want %q", k, got, want)
		}
	}
}

func TestIsSet(t *testing.T) {
	env := []string{"T_A=x", "T_B_FILE=/x", "T_C=", "T_D= "}
	for key, want := range map[string]bool{"T_A": true, "T_B": true, "T_C": false, "T_D": false, "T_E": false} {
		if got := IsSet(env, key); got != want {
			t.Errorf("%s: got %v", key, got)
		}
	}
}

func TestEnvironWithoutFile(t *testing.T) {
	if _, err := Environ(filepath.Join(t.TempDir(), ".env")); err != nil {
		t.Error(err)
	}
	if _, err := Environ(t.TempDir()); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestOldVariables(t *testing.T) {
	tests := []struct {
		env    []string
		level  slog.Level
		notice string
	}{
		{nil, slog.LevelInfo, ""},
		{[]string{"RUST_LOG=debug,tower_http=trace"}, slog.LevelDebug, "RUST_LOG is used as LOG_LEVEL"},
		{[]string{"RUST_LOG=chat=debug"}, slog.LevelInfo, "RUST_LOG is not used: it has no level"},
		{[]string{"RUST_LOG=trace", "LOG_LEVEL=WARN"}, slog.LevelWarn, "RUST_LOG is not used: LOG_LEVEL is set"},
		{[]string{"DATABASE_URL=sqlite:x"}, slog.LevelInfo, "DATABASE_URL is not used"},
	}
	for _, tt := range tests {
		var c Common
		if err := Load(&c, tt.env); err != nil {
			t.Errorf("%v: %v", tt.env, err)
		}
		if c.Level() != tt.level {
			t.Errorf("%v: level %v, want %v", tt.env, c.Level(), tt.level)
		}
		got := strings.Join(Notices(tt.env), "\n")
		if (tt.notice == "") != (got == "") || !strings.HasPrefix(got, tt.notice) {
			t.Errorf("%v: notice %q, want %q", tt.env, got, tt.notice)
		}
	}
}

func TestDocsTellsSharedOnce(t *testing.T) {
	type a struct {
		Shared shared
		Own    int `env:"T_OWN" envDefault:"3" min:"1" help:"of a|b"`
	}
	type b struct {
		Shared shared
		Own    int `env:"T_OWN" envDefault:"4" min:"1" help:"of b"`
	}
	got, err := Docs(Section{Title: "a", Config: a{}}, Section{Title: "b", Config: &b{}}, Section{Title: "up", Config: struct{}{}, Defaults: map[string]string{"T_OWN": "9"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"| `T_BROKERS` | `a:1, b:2` | list | brokers (a, b) |",
		"| `T_SECRET` | – | text, secret | a secret (a, b) |",
		"| `T_OWN` | `3` | whole number: at least 1 | of a\\|b |",
		"| `T_OWN` | `4` | whole number: at least 1 | of b |",
		"Other defaults here: `T_OWN=9`.",
	} {
		if strings.Count(got, line+"\n") != 1 {
			t.Errorf("want once: %s\nin:\n%s", line, got)
		}
	}
	keys, err := Keys(a{})
	if err != nil || !slices.Equal(keys, []string{"T_OWN", "T_BROKERS", "T_SECRET", "T_SECRET_FILE"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
	if _, err := Docs(Section{Title: "x", Config: struct {
		A int `env:"A"`
	}{}}); err == nil {
		t.Error("a setting without help was accepted")
	}
}
