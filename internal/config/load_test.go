package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type shared struct {
	Brokers []string `env:"T_BROKERS" envDefault:"a:1, b:2" help:"brokers"`
	Secret  string   `env:"T_SECRET" secret:"true" help:"a secret"`
}

type sample struct {
	Shared   shared
	Size     int               `env:"T_SIZE" envDefault:"10" min:"1" max:"5000000000" help:"size"`
	Wait     time.Duration     `env:"T_WAIT_SECONDS" envDefault:"300" min:"0" max:"3600" help:"wait"`
	Slow     time.Duration     `env:"T_SLOW_SECS" envDefault:"0" help:"slow"`
	Drain    time.Duration     `env:"T_DRAIN" envDefault:"1m30s" min:"1s" help:"drain"`
	Mode     string            `env:"T_MODE" envDefault:"snake" oneof:"snake|pascal" help:"mode"`
	On       bool              `env:"T_ON" envDefault:"true" help:"on"`
	Ratio    float64           `env:"T_RATIO" envDefault:"0.5" max:"1" help:"ratio"`
	Headers  map[string]string `env:"T_HEADERS" help:"headers"`
	Keys     []string          `env:"T_KEYS" secret:"true" help:"keys"`
	Required string            `env:"T_REQUIRED" required:"true" help:"what it is for"`
	Ports    []int             `env:"T_PORTS" envDefault:"1,2" min:"1" max:"65535" help:"ports"`
	Streams  struct {
		URL string `env:"URL" help:"where to"`
	} `envPrefix:"T_CHAT_"`
}

func (s *sample) Validate() []error {
	if s.Mode == "pascal" && !s.On {
		return []error{errors.New("T_MODE=pascal needs T_ON")}
	}
	return nil
}

func TestLoadDefaults(t *testing.T) {
	var got sample
	if err := Load(&got, []string{"T_REQUIRED=x"}); err != nil {
		t.Fatal(err)
	}
	want := sample{
		Shared: shared{Brokers: []string{"a:1", "b:2"}},
		Size:   10, Wait: 5 * time.Minute, Drain: 90 * time.Second, Mode: "snake", On: true, Ratio: 0.5, Required: "x", Ports: []int{1, 2},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); d != "" {
		t.Error(d)
	}
}

func TestLoadValues(t *testing.T) {
	var got sample
	env := []string{
		"T_REQUIRED= x ", "T_BROKERS= k1:9092 ,, k2:9092,", "T_SIZE=4294967296", "T_WAIT_SECONDS=0", "T_SLOW_SECS=7", "T_MODE=PASCAL",
		"T_HEADERS=A:1, B:x:y", "T_CHAT_URL=http://r", "T_DRAIN=2s", "T_KEYS=k1,k2", "T_SECRET=s",
	}
	if err := Load(&got, env, Defaults(map[string]string{"T_PORTS": "9", "T_DRAIN": "3s"})); err != nil {
		t.Fatal(err)
	}
	want := sample{
		Shared: shared{Brokers: []string{"k1:9092", "k2:9092"}, Secret: "s"},
		Size:   1 << 32, Slow: 7 * time.Second, Drain: 2 * time.Second, Mode: "pascal", On: true, Ratio: 0.5, Required: "x", Ports: []int{9},
		Headers: map[string]string{"A": "1", "B": "x:y"}, Keys: []string{"k1", "k2"},
	}
	want.Streams.URL = "http://r"
	if d := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); d != "" {
		t.Error(d)
	}
}

func TestLoadNamesEveryFault(t *testing.T) {
	var got sample
	err := Load(&got, []string{
		"T_SIZE=0", "T_WAIT_SECONDS=5m", "T_SLOW_SECS=-1x", "T_DRAIN=10", "T_MODE=camel", "T_ON=maybe", "T_RATIO=1.5", "T_PORTS=80,70000", "T_HEADERS=novalue",
	})
	var bad *Error
	if !errors.As(err, &bad) {
		t.Fatalf("got %v", err)
	}
	var lines []string
	for _, f := range bad.Faults {
		lines = append(lines, f.String())
	}
	want := []string{
		`T_SIZE: "0": out of range (allowed: 1 to 5000000000)`,
		`T_WAIT_SECONDS: "5m": not a whole number of seconds (allowed: 0 to 3600)`,
		`T_SLOW_SECS: "-1x": not a whole number of seconds`,
		`T_DRAIN: "10": not a duration (500ms, 10s, 5m) (allowed: at least 1s)`,
		`T_MODE: "camel": unknown value (allowed: snake, pascal)`,
		`T_ON: "maybe": want true or false`,
		`T_RATIO: "1.5": out of range (allowed: at most 1)`,
		`T_HEADERS: "novalue": "novalue" should be in "key:value" format`,
		`T_REQUIRED: required, but not set (what it is for)`,
		`T_PORTS: "80,70000": out of range (allowed: 1 to 65535)`,
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if !strings.HasPrefix(err.Error(), "10 bad setting(s):\n  T_SIZE: ") {
		t.Errorf("got %q", err)
	}
}

func TestLoadRulesOverFields(t *testing.T) {
	var got sample
	err := Load(&got, []string{"T_REQUIRED=x", "T_MODE=pascal", "T_ON=false"})
	if err == nil || !strings.Contains(err.Error(), "T_MODE=pascal needs T_ON") {
		t.Errorf("got %v", err)
	}
}

type one struct {
	A int `env:"T_A" help:"a"`
}

func (o *one) Validate() error {
	if o.A == 7 {
		return errors.New("T_A must not be 7")
	}
	return nil
}

func TestLoadRuleWithOneError(t *testing.T) {
	var got struct{ One one }
	if err := Load(&got, []string{"T_A=7"}); err == nil || err.Error() != "1 bad setting(s):\n  T_A must not be 7" {
		t.Errorf("got %v", err)
	}
}

type numberSecret struct {
	PIN int `env:"T_PIN" secret:"true" min:"1000" help:"pin"`
}

func TestSecretsNeverShow(t *testing.T) {
	for _, value := range []string{"hunter2", "17"} {
		err := Load(&numberSecret{}, []string{"T_PIN=" + value})
		if err == nil || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %v", value, err)
		}
	}
}

func TestSecretFromFile(t *testing.T) {
	dir := t.TempDir()
	one, many, empty := filepath.Join(dir, "one"), filepath.Join(dir, "many"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{one: "s3cret\n", many: "k1\nk2\r\n", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got sample
	if err := Load(&got, []string{"T_REQUIRED=x", "T_SECRET_FILE=" + one, "T_KEYS_FILE=" + many}); err != nil {
		t.Fatal(err)
	}
	if got.Shared.Secret != "s3cret" || !slices.Equal(got.Keys, []string{"k1", "k2"}) {
		t.Errorf("got %q %q", got.Shared.Secret, got.Keys)
	}
	for _, env := range [][]string{
		{"T_SECRET_FILE=" + filepath.Join(dir, "none")},
		{"T_SECRET_FILE=" + empty},
		{"T_SECRET_FILE=" + one, "T_SECRET=plainly-set"},
	} {
		err := Load(&sample{}, append(env, "T_REQUIRED=x"))
		if err == nil || !strings.Contains(err.Error(), "T_SECRET_FILE") || strings.Contains(err.Error(), "plainly-set") {
			t.Errorf("%v: got %v", env, err)
		}
	}
}

func TestLoadWantsAStruct(t *testing.T) {
	if err := Load(sample{}, nil); err == nil {
		t.Error("a struct by value was accepted")
	}
}

// A rule over several fields is asked also when another field is bad; what it says of a bad field's zero value is dropped.
func TestRulesAreAskedBesideBadFields(t *testing.T) {
	err := Load(&sample{}, []string{"T_REQUIRED=x", "T_SIZE=many", "T_MODE=pascal", "T_ON=false"})
	if err == nil || !strings.Contains(err.Error(), "T_SIZE") || !strings.Contains(err.Error(), "T_MODE=pascal needs T_ON") {
		t.Errorf("got %v", err)
	}
	err = Load(&sample{}, []string{"T_REQUIRED=x", "T_MODE=pascal", "T_ON=perhaps"})
	if err == nil || strings.Contains(err.Error(), "needs T_ON") {
		t.Errorf("got %v", err)
	}
}
