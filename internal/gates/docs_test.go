package gates

import (
	"errors"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// read is the text of a document, or empty when it does not exist yet.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(name)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// TestCodemap demands that ARCHITECTURE.md names every folder of code by its path.
func TestCodemap(t *testing.T) {
	text := read(t, "ARCHITECTURE.md")
	if text == "" {
		return
	}
	need := map[string]bool{}
	for _, dir := range folders(t) {
		if !strings.Contains(dir, "/") {
			need[dir] = true
		}
	}
	for _, s := range tree(t) {
		need[s.dir()] = true
	}
	for dir := range need {
		if !strings.Contains(text, "`"+dir+"`") && !strings.Contains(text, dir+"/") {
			t.Errorf("ARCHITECTURE.md does not name the folder %s", dir)
		}
	}
}

// TestSettingsAreDocumented demands that docs/CONFIG.md has every variable of an env tag. cmd/splitsync tests that the whole page is current; this
// one finds a struct that the page does not know.
func TestSettingsAreDocumented(t *testing.T) {
	text := read(t, "docs/CONFIG.md")
	if text == "" {
		return
	}
	report(t, tags(tree(t), "env", func(value string) bool { return strings.Contains(text, value+"`") }))
}

// TestMetricsAreDocumented is the same for docs/METRICS.md.
func TestMetricsAreDocumented(t *testing.T) {
	text := read(t, "docs/METRICS.md")
	if text == "" {
		return
	}
	report(t, tags(tree(t), "metric", func(value string) bool { return strings.Contains(text, "`"+value+"`") }))
}

// tags complains about the values of a struct tag outside tests that known does not have.
func tags(files []source, tag string, known func(value string) bool) []string {
	var bad []string
	for _, s := range files {
		if forTests(s) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			f, ok := n.(*ast.Field)
			if !ok || f.Tag == nil {
				return true
			}
			text, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				return true
			}
			if value := reflect.StructTag(text).Get(tag); value != "" && value != "-" && !known(value) {
				bad = append(bad, s.at(f.Pos())+": "+value+" is not in the documents; run make docs")
			}
			return true
		})
	}
	return bad
}

func TestTagsGateBites(t *testing.T) {
	s := parse(t, "a/a.go", "package a\ntype c struct { A int `env:\"A_B\"`; B int }")
	if got := tags([]source{s}, "env", func(string) bool { return false }); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
