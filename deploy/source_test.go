package deploy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// source is what the Go files of this repository (without tests) say about settings, ports and commands.
type source struct {
	keys     map[string]bool // variables, by the env tags of struct fields
	secrets  map[string]bool // those of them with secret:"true"
	oneof    map[string][]string
	prefixes map[string]bool // by the envPrefix tags
	ports    map[string]bool // of addresses such as 0.0.0.0:3000 in defaults and constants
	commands map[string]bool // of cmd/splitsync, by Use
	makers   map[string]bool // functions of cmd/splitsync that are given the Use of a command
	calls    map[string][]string
	vars     map[string]bool // package variables, "folder.name"
	tags     map[string]bool // build constraints
}

// knows says whether a role reads the variable: by its own name, with a prefix, or as the file of a secret.
func (s *source) knows(key string) bool {
	if s.keys[key] {
		return true
	}
	if of, ok := strings.CutSuffix(key, "_FILE"); ok && s.secret(of) {
		return true
	}
	for p := range s.prefixes {
		if rest, ok := strings.CutPrefix(key, p); ok && s.keys[rest] {
			return true
		}
	}
	return false
}

func (s *source) secret(key string) bool {
	for p := range s.prefixes {
		if rest, ok := strings.CutPrefix(key, p); ok && s.secrets[rest] {
			return true
		}
	}
	return s.secrets[key]
}

// readSource parses every Go file of the repository that is not a test and not an example.
func readSource(t *testing.T) *source {
	t.Helper()
	s := &source{
		keys: map[string]bool{}, secrets: map[string]bool{}, oneof: map[string][]string{}, prefixes: map[string]bool{}, ports: map[string]bool{},
		commands: map[string]bool{}, makers: map[string]bool{}, calls: map[string][]string{}, vars: map[string]bool{}, tags: map[string]bool{},
	}
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "examples"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		s.read(filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator))), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for maker := range s.makers {
		for _, name := range s.calls[maker] {
			s.commands[name] = true
		}
	}
	return s
}

func (s *source) read(folder string, file *ast.File) {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if line, ok := strings.CutPrefix(c.Text, "//go:build "); ok {
				for _, tag := range regexp.MustCompile(`\w+`).FindAllString(line, -1) {
					s.tags[tag] = true
				}
			}
		}
	}
	for _, d := range file.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					s.vars[folder+"."+name.Name] = true
				}
			}
		}
	}
	maker := ""
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			maker = n.Name.Name
		case *ast.Field:
			s.field(n)
		case *ast.KeyValueExpr:
			if name, ok := n.Key.(*ast.Ident); ok && name.Name == "Use" && folder == "cmd/splitsync" {
				s.command(maker, n.Value)
			}
		case *ast.CallExpr:
			if folder == "cmd/splitsync" {
				s.call(n)
			}
		case *ast.BasicLit:
			s.port(text(n))
		}
		return true
	})
}

// command takes a literal Use; a variable one is what calls of the function around it give.
func (s *source) command(maker string, use ast.Expr) {
	if name, _, _ := strings.Cut(text(use), " "); name != "" {
		s.commands[name] = true
		return
	}
	s.makers[maker] = true
}

// call keeps the first text that a function is called with.
func (s *source) call(c *ast.CallExpr) {
	fun := c.Fun
	if generic, ok := fun.(*ast.IndexExpr); ok {
		fun = generic.X
	}
	name, ok := fun.(*ast.Ident)
	if !ok {
		return
	}
	for _, arg := range c.Args {
		if v := text(arg); v != "" {
			s.calls[name.Name] = append(s.calls[name.Name], v)
			return
		}
	}
}

func (s *source) field(f *ast.Field) {
	if f.Tag == nil {
		return
	}
	tag := reflect.StructTag(text(f.Tag))
	if key, _, _ := strings.Cut(tag.Get("env"), ","); key != "" && key != "-" {
		s.keys[key] = true
		s.secrets[key] = s.secrets[key] || tag.Get("secret") == "true"
		if allowed := tag.Get("oneof"); allowed != "" {
			s.oneof[key] = strings.FieldsFunc(strings.ToLower(allowed), func(r rune) bool { return r == '|' || r == ',' })
		}
	}
	if prefix := tag.Get("envPrefix"); prefix != "" {
		s.prefixes[prefix] = true
	}
	s.port(tag.Get("envDefault"))
}

// port takes the port of an address without host name.
func (s *source) port(address string) {
	if m := regexp.MustCompile(`^[0-9.]*:([0-9]+)$`).FindStringSubmatch(address); m != nil {
		s.ports[m[1]] = true
	}
}

// text is the value of a string literal, or empty.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	v, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return v
}
