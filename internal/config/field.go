package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// field is one setting: a struct field that has an env tag.
type field struct {
	key      string // the variable, with every prefix
	def      string
	help     string
	min, max string
	oneof    []string
	secret   bool
	required bool
	tag      reflect.StructField
	value    reflect.Value // settable
}

// node is a struct in the tree of settings; its Validate hook is asked after its fields.
type node struct {
	self   reflect.Value
	fields []field
	nodes  []node
}

var durationType = reflect.TypeFor[time.Duration]()

// tree collects the settings below dst, which must be a pointer to a struct.
func tree(dst any) (node, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return node{}, fmt.Errorf("settings must be a pointer to a struct, not %T", dst)
	}
	return walk(v.Elem(), ""), nil
}

func walk(v reflect.Value, prefix string) node {
	n := node{self: v}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		if key := sf.Tag.Get("env"); key != "" && key != "-" {
			n.fields = append(n.fields, newField(sf, v.Field(i), prefix+key))
			continue
		}
		if sf.Type.Kind() == reflect.Struct {
			n.nodes = append(n.nodes, walk(v.Field(i), prefix+sf.Tag.Get("envPrefix")))
		}
	}
	return n
}

func newField(sf reflect.StructField, v reflect.Value, key string) field {
	f := field{
		key: key, value: v, tag: sf,
		def:      sf.Tag.Get("envDefault"),
		help:     sf.Tag.Get("help"),
		min:      sf.Tag.Get("min"),
		max:      sf.Tag.Get("max"),
		secret:   sf.Tag.Get("secret") == "true",
		required: sf.Tag.Get("required") == "true",
	}
	if s := sf.Tag.Get("oneof"); s != "" {
		f.oneof = strings.FieldsFunc(s, func(r rune) bool { return r == '|' || r == ',' })
	}
	return f
}

// all returns the fields of n and of everything below it, in source order of the structs.
func (n node) all() []field {
	out := append([]field(nil), n.fields...)
	for _, c := range n.nodes {
		out = append(out, c.all()...)
	}
	return out
}

// seconds says that the variable is a duration written as whole seconds.
func (f field) seconds() bool {
	return f.tag.Type == durationType && (strings.HasSuffix(f.key, "_SECONDS") || strings.HasSuffix(f.key, "_SECS"))
}

// allowed tells the range in words, or is empty when everything that parses is allowed.
func (f field) allowed() string {
	switch {
	case len(f.oneof) > 0:
		return strings.Join(f.oneof, ", ")
	case f.min != "" && f.max != "":
		return f.min + " to " + f.max
	case f.min != "":
		return "at least " + f.min
	case f.max != "":
		return "at most " + f.max
	}
	return ""
}

// kind names the type of the value for people.
func (f field) kind() string {
	t := f.tag.Type
	switch {
	case f.seconds():
		return "whole seconds"
	case t == durationType:
		return "duration (500ms, 10s, 5m)"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Map:
		return "list of name:value"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case isInt(t.Kind()):
		return "whole number"
	case isFloat(t.Kind()):
		return "number"
	}
	return "text"
}

func isInt(k reflect.Kind) bool {
	return k >= reflect.Int && k <= reflect.Uint64
}

func isFloat(k reflect.Kind) bool {
	return k == reflect.Float32 || k == reflect.Float64
}
