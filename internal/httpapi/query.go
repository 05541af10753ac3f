package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Query reads query parameters and remembers every fault, so that one 400 names them all.
type Query struct {
	values url.Values
	faults []string
}

// NewQuery reads the parameters of r.
func NewQuery(r *http.Request) *Query {
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &Query{values: values}
	if err != nil {
		q.fault("query", "not well formed")
	}
	return q
}

// Err is a 400 with every fault so far, or nil.
func (q *Query) Err() error {
	if len(q.faults) == 0 {
		return nil
	}
	return Errorf(http.StatusBadRequest, "%s", strings.Join(q.faults, "; "))
}

// Fault records a fault that the caller found, for rules over several parameters.
func (q *Query) Fault(name, what string) {
	q.fault(name, what)
}

func (q *Query) fault(name, what string) {
	if s := name + ": " + what; !slices.Contains(q.faults, s) {
		q.faults = append(q.faults, s)
	}
}

// Has reports whether the parameter is there and not empty.
func (q *Query) Has(name string) bool {
	return q.one(name) != ""
}

// one is the value of a parameter that may be given once; empty counts as absent.
func (q *Query) one(name string) string {
	v := q.values[name]
	if len(v) > 1 {
		q.fault(name, "given more than once")
	}
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// Int is a whole number from lo to hi, or def when absent.
func (q *Query) Int(name string, def, lo, hi int64) int64 {
	s := q.one(name)
	if s == "" {
		return def
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < lo || n > hi {
		q.fault(name, "want a whole number from "+strconv.FormatInt(lo, 10)+" to "+strconv.FormatInt(hi, 10))
		return def
	}
	return n
}

// Bool is true or false (also 1 or 0), or def when absent.
func (q *Query) Bool(name string, def bool) bool {
	switch q.one(name) {
	case "":
		return def
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	q.fault(name, "want true or false")
	return def
}

// Enum is one of allowed, or def when absent.
func (q *Query) Enum(name, def string, allowed ...string) string {
	s := q.one(name)
	if s == "" {
		return def
	}
	if !slices.Contains(allowed, s) {
		q.fault(name, "want one of "+strings.Join(allowed, ", "))
		return def
	}
	return s
}

// Enums is a list joined by commas of allowed values, without repeats, or def when absent.
func (q *Query) Enums(name string, def []string, allowed ...string) []string {
	s := q.one(name)
	if s == "" {
		return def
	}
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		item = strings.TrimSpace(item)
		switch {
		case !slices.Contains(allowed, item):
			q.fault(name, "want a list of "+strings.Join(allowed, ", "))
			return def
		case !slices.Contains(out, item):
			out = append(out, item)
		}
	}
	return out
}

// Text is UTF-8 of at most limit bytes, or def when absent.
func (q *Query) Text(name, def string, limit int) string {
	s := q.one(name)
	switch {
	case s == "":
		return def
	case len(s) > limit:
		q.fault(name, "more than "+strconv.Itoa(limit)+" bytes")
		return def
	case !utf8.ValidString(s):
		q.fault(name, "not valid UTF-8")
		return def
	}
	return s
}

const (
	timeWant = "want Unix seconds, Unix milliseconds (from 100000000000) or RFC 3339, from 1970 to 9999"
	firstMS  = int64(1e11)            // smaller numbers are seconds
	lastMS   = int64(253402300799999) // the end of the year 9999
)

// From is the inclusive lower bound of a time range in Unix milliseconds; ok is false when absent or wrong.
func (q *Query) From(name string) (ms int64, ok bool) {
	return q.time(name, 0)
}

// To is the inclusive upper bound of a time range in Unix milliseconds: a bound that is written in whole seconds includes that whole second. ok
// is false when absent or wrong.
func (q *Query) To(name string) (ms int64, ok bool) {
	return q.time(name, 999)
}

// time adds wholeSecond to times that are written without a fraction of a second.
func (q *Query) time(name string, wholeSecond int64) (int64, bool) {
	s := q.one(name)
	if s == "" {
		return 0, false
	}
	ms, ok := parseTime(s, wholeSecond)
	if !ok || ms < 0 || ms > lastMS {
		q.fault(name, timeWant)
		return 0, false
	}
	return ms, true
}

func parseTime(s string, wholeSecond int64) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n >= firstMS || n < 0 {
			return n, true
		}
		return n*1000 + wholeSecond, true
	}
	// A plus sign of a zone that was not escaped arrives as a space.
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(s, " ", "+", 1))
	if err != nil {
		return 0, false
	}
	if !strings.ContainsAny(s, ".,") {
		return t.UnixMilli() + wholeSecond, true
	}
	return t.UnixMilli(), true
}
