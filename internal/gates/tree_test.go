package gates

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "splitsync"

// source is one parsed Go file of the tree.
type source struct {
	path string // from the root, with slashes
	fset *token.FileSet
	ast  *ast.File
}

func (s source) dir() string  { return path.Dir(s.path) }
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// at is path:line of a node.
func (s source) at(p token.Pos) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(p).Line)
}

// lines is the number of lines from one position to another.
func (s source) lines(from, to token.Pos) int {
	return s.fset.Position(to).Line - s.fset.Position(from).Line + 1
}

// parse makes a source from text, for the tests of the gates.
func parse(t *testing.T, name, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{path: name, fset: fset, ast: f}
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}

// skipped are folders that hold nothing of ours.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || slices.Contains([]string{"bin", "data", "node_modules", "testdata", "vendor"}, name)
}

// folders are all folders of the tree from the root, without skipped ones.
func folders(t *testing.T) []string {
	t.Helper()
	base := root(t)
	var out []string
	err := filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == base || !d.IsDir():
			return nil
		case skipped(d.Name()):
			return fs.SkipDir
		}
		rel, err := filepath.Rel(base, p)
		out = append(out, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tree parses every Go file that is built on this platform, those for tests with a JVM included.
func tree(t *testing.T) []source {
	t.Helper()
	platform := build.Default
	platform.BuildTags = []string{"jvm"}
	base := root(t)
	var out []source
	for _, dir := range folders(t) {
		entries, err := os.ReadDir(filepath.Join(base, filepath.FromSlash(dir)))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			if built, err := platform.MatchFile(filepath.Join(base, filepath.FromSlash(dir)), e.Name()); err != nil || !built {
				continue // a file that does not parse fails the build
			}
			name := dir + "/" + e.Name()
			text, err := os.ReadFile(filepath.Join(base, filepath.FromSlash(name)))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, parse(t, name, string(text)))
		}
	}
	if len(out) == 0 {
		t.Fatal("no Go files found")
	}
	return out
}

// report fails the test with every complaint.
func report(t *testing.T, complaints []string) {
	t.Helper()
	slices.Sort(complaints)
	for _, c := range slices.Compact(complaints) {
		t.Error(c)
	}
}
