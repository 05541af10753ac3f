package gates

import (
	"strconv"
	"strings"
	"testing"
)

// services never import each other.
var services = []string{"gateway", "ingest", "exporter", "syncapi"}

// Owners that are not a folder; testsOf is put before one.
const (
	anywhere     = "*"
	testsOf      = "tests of "
	testsOnly    = "tests"
	metricsFiles = "metrics.go"
)

// owners tells who may import an outside library: folders (with those below them), tests (test files, e2e and the test kit) or files named
// metrics.go. A folder after "tests of" may use it in its tests only. A library that is not here may not be imported: give it one owner.
var owners = map[string][]string{
	"github.com/segmentio/kafka-go":          {"internal/kafkalog", "tests of internal/devstack", "internal/testkit"},
	"github.com/ClickHouse/clickhouse-go/v2": {"internal/history", "internal/testkit"},
	"github.com/ClickHouse/ch-go":            {"internal/history"},
	"github.com/RoaringBitmap/roaring/v2":    {"internal/history"},
	"github.com/twmb/franz-go":               {"internal/devstack"},
	"github.com/ebitengine/purego":           {"internal/devstack"},
	"github.com/caarlos0/env/v11":            {"internal/config"},
	"github.com/joho/godotenv":               {"internal/config", "tests of deploy"},
	"github.com/prometheus":                  {"internal/metrics", metricsFiles},
	"github.com/sethvargo/go-retry":          {"internal/service", "internal/kafkalog", "exporter"},
	"github.com/go-chi/chi/v5":               {"internal/httpapi", "gateway", "syncapi"},
	"github.com/coder/websocket":             {"gateway", "client/go"},
	"github.com/spf13/cobra":                 {"cmd/splitsync"},
	"github.com/google/uuid":                 {anywhere},
	"github.com/klauspost/compress":          {anywhere},
	"golang.org/x":                           {anywhere},
	"github.com/compose-spec/compose-go/v2":  {testsOnly},
	"github.com/getkin/kin-openapi":          {testsOnly},
	"github.com/Shopify/toxiproxy/v2":        {testsOnly},
	"go.uber.org/goleak":                     {testsOnly},
	"github.com/google/go-cmp":               {testsOnly},
	"pgregory.net/rapid":                     {testsOnly},
	"github.com/standard-webhooks":           {"exporter", "examples", testsOnly},
	"github.com/rs/zerolog":                  {testsOnly},
	"gopkg.in/yaml.v3":                       {testsOnly},
}

// below reports whether dir is folder or inside it.
func below(dir, folder string) bool {
	return dir == folder || strings.HasPrefix(dir, folder+"/")
}

// forTests reports whether a file is only built for tests.
func forTests(s source) bool {
	return s.isTest() || below(s.dir(), "internal/testkit") || below(s.dir(), "e2e")
}

func owned(s source, library string) bool {
	for _, o := range owners[library] {
		switch o {
		case anywhere:
			return true
		case testsOnly:
			if forTests(s) {
				return true
			}
		case metricsFiles:
			if strings.HasSuffix(s.path, "/"+metricsFiles) || s.isTest() {
				return true
			}
		default:
			folder, onlyTests := strings.CutPrefix(o, testsOf)
			if below(s.dir(), folder) && (s.isTest() || !onlyTests) {
				return true
			}
		}
	}
	return false
}

// libraryOf finds the owners' entry of an import path.
func libraryOf(imp string) (string, bool) {
	for lib := range owners {
		if below(imp, lib) {
			return lib, true
		}
	}
	return "", false
}

// serviceOf is the service that a folder belongs to, or empty.
func serviceOf(dir string) string {
	for _, s := range services {
		if below(dir, s) {
			return s
		}
	}
	return ""
}

// direction says why a file must not import a folder of ours, or is empty.
func direction(s source, to string) string {
	from := s.dir()
	switch {
	case below(to, "internal/testkit") && !forTests(s):
		return "the test kit is for tests"
	case below(to, "internal/devstack") && !forTests(s) && !below(from, "cmd") && !below(from, "up") && !below(from, "internal/devstack"):
		return "the embedded servers are for up"
	case forTests(s):
		return ""
	case below(to, "cmd"):
		return "nothing imports commands"
	case below(to, "up") && !below(from, "cmd"):
		return "up is a command"
	case below(to, "e2e"):
		return "e2e is for tests"
	case below(from, "event") && !below(to, "event"), below(from, "sql"):
		return "event and sql import nothing of ours"
	case below(from, "client") && !below(to, "client") && !below(to, "event"):
		return "the client imports only event"
	case below(from, "internal") && serviceOf(to) != "":
		return "internal packages do not know the services"
	case serviceOf(from) != "" && serviceOf(to) != "" && serviceOf(from) != serviceOf(to):
		return "services never import each other"
	}
	return ""
}

func imports(files []source) []string {
	var bad []string
	for _, s := range files {
		for _, spec := range s.ast.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				bad = append(bad, s.at(spec.Pos())+": "+err.Error())
				continue
			}
			if to, ok := strings.CutPrefix(imp, module+"/"); ok {
				if why := direction(s, to); why != "" {
					bad = append(bad, s.at(spec.Pos())+": must not import "+to+": "+why)
				}
				continue
			}
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			lib, ok := libraryOf(imp)
			switch {
			case !ok:
				bad = append(bad, s.at(spec.Pos())+": "+imp+" has no owner in the table of internal/gates")
			case !owned(s, lib):
				bad = append(bad, s.at(spec.Pos())+": "+imp+" belongs to "+strings.Join(owners[lib], ", "))
			}
		}
	}
	return bad
}

func TestImports(t *testing.T) {
	report(t, imports(tree(t)))
}

// TestImportsGateBites proves that each rule can fail.
func TestImportsGateBites(t *testing.T) {
	tests := []struct{ file, imp, want string }{
		{"gateway/a.go", "splitsync/ingest", "services never import each other"},
		{"exporter/cut/a.go", "splitsync/syncapi", "services never import each other"},
		{"internal/rooms/a.go", "splitsync/gateway", "do not know the services"},
		{"event/a.go", "splitsync/internal/config", "import nothing of ours"},
		{"ingest/a.go", "splitsync/cmd/splitsync", "nothing imports commands"},
		{"ingest/a.go", "splitsync/internal/testkit", "for tests"},
		{"gateway/a.go", "splitsync/internal/devstack", "for up"},
		{"client/go/a.go", "splitsync/internal/service", "only event"},
		{"ingest/a.go", "github.com/segmentio/kafka-go/protocol", "belongs to internal/kafkalog"},
		{"ingest/a.go", "github.com/prometheus/client_golang/prometheus", "belongs to"},
		{"ingest/a.go", "go.uber.org/goleak", "belongs to tests"},
		{"ingest/a.go", "example.com/new", "has no owner"},
		{"ingest/a.go", "splitsync/internal/kafkalog", ""},
		{"exporter/a.go", "splitsync/exporter/cut", ""},
		{"ingest/a_test.go", "splitsync/internal/testkit", ""},
		{"ingest/metrics.go", "github.com/prometheus/client_golang/prometheus", ""},
		{"ingest/a.go", "log/slog", ""},
	}
	for _, tt := range tests {
		s := parse(t, tt.file, "package x\nimport _ "+strconv.Quote(tt.imp)+"\n")
		got := imports([]source{s})
		if ok := len(got) == 1 && strings.Contains(got[0], tt.want); (tt.want == "" && len(got) > 0) || (tt.want != "" && !ok) {
			t.Errorf("%s imports %s: got %v", tt.file, tt.imp, got)
		}
	}
}
