package gates

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// Bounds of the house style. A test function may be longer: its table is data.
const (
	maxFile     = 300
	maxFunc     = 50
	maxTestFunc = 80
)

// longFiles and longFuncs are the exceptions, each with its reason. A function's key is path:name.
var (
	longFiles = map[string]string{}
	longFuncs = map[string]string{}
)

func sizes(files []source) []string {
	var bad []string
	for _, s := range files {
		if n := s.fset.File(s.ast.Pos()).LineCount(); n > maxFile && longFiles[s.path] == "" {
			bad = append(bad, fmt.Sprintf("%s: %d lines, more than %d", s.path, n, maxFile))
		}
		limit := maxFunc
		if s.isTest() {
			limit = maxTestFunc
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.lines(f.Pos(), f.End()); n > limit && longFuncs[s.path+":"+f.Name.Name] == "" {
				bad = append(bad, fmt.Sprintf("%s: %s has %d lines, more than %d", s.at(f.Pos()), f.Name.Name, n, limit))
			}
		}
	}
	return bad
}

// comments demands a package comment for every package and a comment for every exported name outside tests.
func comments(files []source) []string {
	var bad []string
	has := map[string]bool{}
	for _, s := range files {
		if s.isTest() {
			continue
		}
		has[s.dir()] = has[s.dir()] || s.ast.Doc.Text() != ""
		for _, d := range s.ast.Decls {
			bad = append(bad, undocumented(s, d)...)
		}
	}
	for dir, ok := range has {
		if !ok {
			bad = append(bad, dir+": no package comment")
		}
	}
	return bad
}

func undocumented(s source, d ast.Decl) []string {
	var bad []string
	complain := func(name *ast.Ident) {
		bad = append(bad, s.at(name.Pos())+": "+name.Name+" is exported and has no comment")
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			complain(d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
					complain(spec.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
						complain(name)
					}
				}
			}
		}
	}
	return bad
}

// exportedReceiver is false for methods of types that nobody outside can name.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// environmentReaders are the folders that, beside tests, may read the environment: the settings, and what only tests run.
var environmentReaders = []string{"internal/config", "internal/testkit", "e2e"}

// forbidden finds init functions, reads of the environment, skipped tests, sleeping tests and work left for later.
func forbidden(files []source) []string {
	var bad []string
	for _, s := range files {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				bad = append(bad, s.at(f.Pos())+": init functions hide what happens at start")
			}
		}
		bad = append(bad, calls(s)...)
		for _, g := range s.ast.Comments {
			for _, mark := range []string{"TO" + "DO", "FIX" + "ME", "XX" + "X"} {
				if strings.Contains(g.Text(), mark) {
					bad = append(bad, s.at(g.Pos())+": "+mark)
				}
			}
		}
	}
	return bad
}

func calls(s source) []string {
	var bad []string
	mayRead := s.isTest()
	for _, dir := range environmentReaders {
		mayRead = mayRead || below(s.dir(), dir)
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok && waitsInBubble(f) {
			return false
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, _ := sel.X.(*ast.Ident)
		if x == nil {
			return true
		}
		switch name := x.Name + "." + sel.Sel.Name; {
		case name == "synctest.Test":
			return false // in there time is not real
		case strings.HasPrefix(name, "os.") && (sel.Sel.Name == "Getenv" || sel.Sel.Name == "LookupEnv" || sel.Sel.Name == "Environ"):
			if !mayRead {
				bad = append(bad, s.at(call.Pos())+": only internal/config reads the environment")
			}
		case s.isTest() && (x.Name == "t" || x.Name == "b" || x.Name == "f") && strings.HasPrefix(sel.Sel.Name, "Skip"):
			bad = append(bad, s.at(call.Pos())+": a test that cannot run fails, it never skips")
		case s.isTest() && name == "time.Sleep":
			bad = append(bad, s.at(call.Pos())+": wait for a condition with a deadline, not for time")
		}
		return true
	})
	return bad
}

// waitsInBubble reports whether f calls synctest.Wait, which works only where time is not real.
func waitsInBubble(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Wait" {
			x, ok := sel.X.(*ast.Ident)
			found = found || ok && x.Name == "synctest"
		}
		return true
	})
	return found
}

func TestSizes(t *testing.T) { report(t, sizes(tree(t))) }

func TestComments(t *testing.T) { report(t, comments(tree(t))) }

func TestForbidden(t *testing.T) { report(t, forbidden(tree(t))) }

// TestStyleGatesBite proves that each rule can fail.
func TestStyleGatesBite(t *testing.T) {
	long := strings.Repeat("\n", maxFunc)
	tests := []struct {
		name, file, text string
		gate             func([]source) []string
		want             int
	}{
		{"long function", "a/a.go", "package a\nfunc f() {" + long + "}", sizes, 1},
		{"long table", "a/a_test.go", "package a\nfunc f() {" + long + "}", sizes, 0},
		{"long file", "a/a.go", "package a" + strings.Repeat("\n", 2*maxFile), sizes, 1},
		{"no package comment", "a/a.go", "package a", comments, 1},
		{"names", "a/a.go", "// Package a.\npackage a\nfunc F() {}\ntype T struct{}\nfunc (T) M() {}\nvar V int\nfunc f() {}\ntype t int\nfunc (t) N() {}", comments, 4},
		{"documented", "a/a.go", "// Package a.\npackage a\n// F is.\nfunc F() {}\n// Some.\nconst (\n\tA = 1\n\tB = 2\n)", comments, 0},
		{"init", "a/a.go", "package a\nfunc init() {}", forbidden, 1},
		{"environment", "a/a.go", "package a\nfunc f() { os.Getenv(\"X\") }", forbidden, 1},
		{"environment of tests", "internal/testkit/a.go", "package a\nfunc f() { os.Getenv(\"X\") }", forbidden, 0},
		{"skip", "a/a_test.go", "package a\nfunc f() { t.Skip() }", forbidden, 1},
		{"sleep", "a/a_test.go", "package a\nfunc f() { time.Sleep(1) }", forbidden, 1},
		{"unreal sleep", "a/a_test.go", "package a\nfunc f() { synctest.Test(t, func() { time.Sleep(1) }) }", forbidden, 0},
		{"unreal wait", "a/a_test.go", "package a\nfunc f() { time.Sleep(1); synctest.Wait() }", forbidden, 0},
		{"left for later", "a/a.go", "package a\n// TO" + "DO: more", forbidden, 1},
	}
	for _, tt := range tests {
		if got := tt.gate([]source{parse(t, tt.file, tt.text)}); len(got) != tt.want {
			t.Errorf("%s: got %q, want %d complaints", tt.name, got, tt.want)
		}
	}
}

// TestExceptionsAreNeeded keeps the lists of exceptions short.
func TestExceptionsAreNeeded(t *testing.T) {
	files := tree(t)
	for path := range longFiles {
		if !exists(files, path, "") {
			t.Errorf("%s is gone: take it off longFiles", path)
		}
	}
	for key := range longFuncs {
		path, name, _ := strings.Cut(key, ":")
		if !exists(files, path, name) {
			t.Errorf("%s is gone: take it off longFuncs", key)
		}
	}
}

// exists finds a file that is longer than allowed, or in it a function that is.
func exists(files []source, path, function string) bool {
	for _, s := range files {
		if s.path != path {
			continue
		}
		if function == "" {
			return s.fset.File(s.ast.Pos()).LineCount() > maxFile
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function && s.lines(f.Pos(), token.Pos(f.End())) > maxFunc {
				return true
			}
		}
	}
	return false
}
