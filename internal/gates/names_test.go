package gates

import (
	"go/ast"
	"path/filepath"
	"regexp"
	"testing"
)

var testName = regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]+`)

// TestNamedTestsExist demands that a test which a document names as the keeper of a promise is there.
func TestNamedTestsExist(t *testing.T) {
	exists := map[string]bool{}
	for _, s := range tree(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() {
				exists[f.Name.Name] = true
			}
		}
	}
	documents, err := filepath.Glob(filepath.Join(root(t), "docs", "adr", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"ARCHITECTURE.md", "CONTRIBUTING.md"}
	for _, d := range documents {
		names = append(names, "docs/adr/"+filepath.Base(d))
	}
	for _, name := range names {
		for _, test := range testName.FindAllString(read(t, name), -1) {
			if !exists[test] {
				t.Errorf("%s names %s, which does not exist", name, test)
			}
		}
	}
}
