package config

import (
	"errors"
	"fmt"
	"strings"
)

// Error is every fault of the settings of one Load. A command prints it and exits with code 2.
type Error struct {
	Faults []Fault
}

// Fault is one bad setting. Text never has the value of a secret.
type Fault struct {
	Key  string // the variable, empty for a rule over several
	Text string // what is wrong, with the bad value and what is allowed
}

// Error has one line a fault.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Faults)+1)
	lines = append(lines, fmt.Sprintf("%d bad setting(s):", len(e.Faults)))
	for _, f := range e.Faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

// String is the line of one fault.
func (f Fault) String() string {
	if f.Key == "" {
		return f.Text
	}
	return f.Key + ": " + f.Text
}

func (e *Error) add(f Fault) {
	for _, have := range e.Faults {
		if have == f {
			return
		}
	}
	e.Faults = append(e.Faults, f)
}

// names reports whether text is about a variable that has a fault already.
func (e *Error) names(text string) bool {
	for _, f := range e.Faults {
		if f.Key != "" && strings.Contains(text, f.Key) {
			return true
		}
	}
	return false
}

// Validator is implemented (on the pointer or the value) by settings with rules over several fields; Validate() error will do too. It is asked
// after all fields of the struct, and of the structs in it, were read; those that could not be read are zero, and what it says of them is
// dropped. Each error must name its variables and never the value of a secret.
type Validator interface {
	Validate() []error
}

// validate asks v for its faults, if it is a Validator of either form.
func validate(v any) []error {
	switch v := v.(type) {
	case Validator:
		return v.Validate()
	case interface{ Validate() error }:
		if err := v.Validate(); err != nil {
			return []error{err}
		}
	}
	return nil
}

// Option changes one Load.
type Option func(*options)

type options struct {
	defaults map[string]string
}

// Defaults replaces the defaults of variables, for a command that runs a role under other circumstances (up: one address, 3 partitions).
// A variable that the user has set wins.
func Defaults(m map[string]string) Option {
	return func(o *options) {
		for k, v := range m {
			o.defaults[k] = v
		}
	}
}

// Load fills dst, a pointer to a struct with the tags of this package, from environ (KEY=value, as Environ returns it) and the defaults. All
// faults are collected: the error is then an *Error with every one of them, and dst must not be used. Variables that no field names are ignored.
func Load(dst any, environ []string, opts ...Option) error {
	o := options{defaults: map[string]string{}}
	for _, opt := range opts {
		opt(&o)
	}
	root, err := tree(dst)
	if err != nil {
		return err
	}
	bad := &Error{}
	loadNode(root, source{env: toMap(environ), defaults: o.defaults}, bad)
	if len(bad.Faults) > 0 {
		return bad
	}
	return nil
}

// loadNode fills one struct and reports whether it and all below it are good.
func loadNode(n node, src source, bad *Error) bool {
	good := true
	for _, f := range n.fields {
		if err := loadField(f, src); err != nil {
			bad.add(Fault{Key: f.key, Text: err.Error()})
			good = false
		}
	}
	for _, c := range n.nodes {
		good = loadNode(c, src, bad) && good
	}
	for _, err := range validate(n.self.Addr().Interface()) {
		if !good && bad.names(err.Error()) { // what a rule says of a field that could not be read is about its zero value
			continue
		}
		bad.add(Fault{Text: err.Error()})
		good = false
	}
	return good
}

func loadField(f field, src source) error {
	raw, err := src.lookup(f)
	if err != nil {
		return err
	}
	if raw == "" {
		if f.required {
			return errors.New("required, but not set (" + f.help + ")")
		}
		f.value.SetZero()
		return nil
	}
	return f.parse(raw)
}
