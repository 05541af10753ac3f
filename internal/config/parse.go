package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// parse sets the field from raw, which is not empty, or tells what is wrong with it.
func (f field) parse(raw string) error {
	text, ok := f.oneOf(f.normal(raw))
	if !ok {
		return f.fault(raw, "unknown value")
	}
	if f.seconds() {
		if _, err := strconv.ParseInt(text, 10, 32); err != nil {
			return f.fault(raw, "not a whole number of seconds")
		}
		text += "s"
	}
	// The library parses one field at a time, so that its error belongs to one variable.
	one := reflect.StructField{Name: "Value", Type: f.tag.Type, Tag: f.parseTag()}
	holder := reflect.New(reflect.StructOf([]reflect.StructField{one}))
	err := env.ParseWithOptions(holder.Interface(), env.Options{
		Environment: map[string]string{"VALUE": text},
		FuncMap:     wideInts(),
	})
	if err != nil {
		return f.fault(raw, f.wrong(err))
	}
	v := holder.Elem().Field(0)
	if err := f.inRange(v); err != nil {
		return f.fault(raw, err.Error())
	}
	f.value.Set(v)
	return nil
}

// parseTag keeps the separators of the field's own tag.
func (f field) parseTag() reflect.StructTag {
	tag := `env:"VALUE"`
	for _, k := range []string{"envSeparator", "envKeyValSeparator"} {
		if s, ok := f.tag.Tag.Lookup(k); ok {
			tag += " " + k + ":" + strconv.Quote(s)
		}
	}
	return reflect.StructTag(tag)
}

// wideInts lets int and uint have all their 64 bits (the library reads 32).
func wideInts() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[int]():  func(s string) (any, error) { return strconv.Atoi(s) },
		reflect.TypeFor[uint](): func(s string) (any, error) { u, err := strconv.ParseUint(s, 10, 64); return uint(u), err },
	}
}

// normal trims a value; of a list it trims the items and drops the empty ones.
func (f field) normal(raw string) string {
	raw = strings.TrimSpace(raw)
	if k := f.tag.Type.Kind(); k != reflect.Slice && k != reflect.Map {
		return raw
	}
	sep := f.separator()
	var items []string
	for item := range strings.SplitSeq(raw, sep) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return strings.Join(items, sep)
}

func (f field) separator() string {
	if s := f.tag.Tag.Get("envSeparator"); s != "" {
		return s
	}
	return ","
}

// oneOf brings enumerated values to the spelling of the tag; ok is false for an unknown one.
func (f field) oneOf(text string) (out string, ok bool) {
	if len(f.oneof) == 0 {
		return text, true
	}
	items := []string{text}
	if f.tag.Type.Kind() == reflect.Slice {
		items = strings.Split(text, f.separator())
	}
	for i, item := range items {
		known := ""
		for _, o := range f.oneof {
			if strings.EqualFold(o, item) {
				known = o
			}
		}
		if known == "" {
			return "", false
		}
		items[i] = known
	}
	return strings.Join(items, f.separator()), true
}

// inRange compares v, or every item of a list, with min and max.
func (f field) inRange(v reflect.Value) error {
	if f.min == "" && f.max == "" {
		return nil
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			if err := f.inRange(v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	got, err := number(v)
	if err != nil {
		return err
	}
	for _, b := range []struct {
		bound string
		sign  float64
	}{{f.min, -1}, {f.max, 1}} {
		if b.bound == "" {
			continue
		}
		limit, err := f.bound(b.bound)
		if err != nil {
			return err
		}
		if (got-limit)*b.sign > 0 {
			return errors.New("out of range")
		}
	}
	return nil
}

// bound reads a min or max tag in the unit of number.
func (f field) bound(s string) (float64, error) {
	if f.tag.Type == durationType {
		if f.seconds() {
			s += "s"
		}
		d, err := time.ParseDuration(s)
		return float64(d), err
	}
	return strconv.ParseFloat(s, 64)
}

func number(v reflect.Value) (float64, error) {
	switch {
	case v.CanInt():
		return float64(v.Int()), nil
	case v.CanUint():
		return float64(v.Uint()), nil
	case v.CanFloat():
		return v.Float(), nil
	}
	return 0, fmt.Errorf("min and max do not apply to %s", v.Type())
}

// wrong tells why the text did not parse.
func (f field) wrong(err error) string {
	switch k := f.kind(); k {
	case "true or false":
		return "want true or false"
	case "text", "list", "list of name:value":
		var pe env.ParseError
		if errors.As(err, &pe) && !f.secret {
			return pe.Err.Error()
		}
		return "not understood"
	default:
		return "not a " + k
	}
}

// fault joins the bad value, unless it is a secret, the reason and what is allowed.
func (f field) fault(raw, reason string) error {
	var b strings.Builder
	if !f.secret {
		fmt.Fprintf(&b, "%q: ", raw)
	}
	b.WriteString(reason)
	if a := f.allowed(); a != "" {
		b.WriteString(" (allowed: " + a + ")")
	}
	return errors.New(b.String())
}
