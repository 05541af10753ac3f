package httpapi

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestDecodeJSON(t *testing.T) {
	type room struct {
		Name   string   `json:"room_name"`
		Admins []string `json:"admin_user_ids"`
		Limit  int      `json:"limit"`
	}
	tests := []struct {
		contentType, body string
		status            int
		detail            string
	}{
		{"application/json; charset=utf-8", `{"room_name":"a","other":1}`, 0, ""},
		{"", `{"room_name":"a"}`, 0, ""},
		{"application/merge+json", `{}`, 0, ""},
		{"text/plain", `{}`, 415, "Content-Type must be application/json"},
		{"application/x-www-form-urlencoded", `{}`, 415, "Content-Type must be application/json"},
		{"application/json", ``, 400, "body: empty, want a JSON object"},
		{"application/json", " \n", 400, "body: empty, want a JSON object"},
		{"application/json", `{"room_name":`, 400, "body: not valid JSON at byte 13"},
		{"application/json", `{} {}`, 400, "body: not valid JSON at byte 4"},
		{"application/json", "{\"room_name\":\"\xff\"}", 400, "body: not valid UTF-8"},
		{"application/json", `{"room_name":1234567}`, 400, "room_name: want string, got number"},
		{"application/json", `{"admin_user_ids":"u"}`, 400, "admin_user_ids: want array, got string"},
		{"application/json", `{"admin_user_ids":[1]}`, 400, "admin_user_ids: want string, got number"},
		{"application/json", `{"limit":1.5}`, 400, "limit: want whole number, got number"},
		{"application/json", `[]`, 400, "body: want object, got array"},
		{"application/json", `{"room_name":"` + strings.Repeat("x", 100) + `"}`, 413, "body: more than 100 bytes"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("POST", "/", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.contentType)
		var dst room
		err := DecodeJSON(httptest.NewRecorder(), r, 100, &dst)
		var e *Error
		switch {
		case tt.status == 0:
			if err != nil {
				t.Errorf("%s %s: %v", tt.contentType, tt.body, err)
			}
		case !errors.As(err, &e) || e.Status != tt.status || e.Detail != tt.detail:
			t.Errorf("%s %s: got %v", tt.contentType, tt.body, err)
		}
	}
}

func query(raw string) *Query {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.RawQuery = raw
	return NewQuery(r)
}

func TestQueryValues(t *testing.T) {
	q := query("limit=7&open=true&state=all&kinds=chat,system,chat&q=h%C3%A9&empty=")
	if q.Int("limit", 1, 1, 10) != 7 || q.Int("page", 3, 1, 10) != 3 || q.Int("empty", 4, 1, 10) != 4 {
		t.Error("Int")
	}
	if !q.Bool("open", false) || q.Bool("closed", false) {
		t.Error("Bool")
	}
	if q.Enum("state", "open", "open", "all") != "all" || q.Enum("order", "desc", "asc", "desc") != "desc" {
		t.Error("Enum")
	}
	if got := q.Enums("kinds", nil, "chat", "system"); !slices.Equal(got, []string{"chat", "system"}) {
		t.Error("Enums", got)
	}
	if q.Text("q", "", 3) != "hé" || !q.Has("q") || q.Has("empty") {
		t.Error("Text")
	}
	if err := q.Err(); err != nil {
		t.Error(err)
	}
}

func TestQueryNamesEveryFault(t *testing.T) {
	q := query("limit=0&page=x&open=yes&state=odd&kinds=chat,odd&q=long&u=%ff&from=yesterday&to=-1&twice=1&twice=2")
	q.Int("limit", 1, 1, 10)
	q.Int("page", 1, 1, 10)
	q.Bool("open", false)
	q.Enum("state", "open", "open", "all")
	q.Enums("kinds", nil, "chat")
	q.Text("q", "", 3)
	q.Text("u", "", 3)
	q.From("from")
	q.To("to")
	q.Int("twice", 1, 1, 10)
	q.Fault("cursor", "not together with page")
	var e *Error
	if !errors.As(q.Err(), &e) || e.Status != 400 {
		t.Fatal(q.Err())
	}
	want := []string{
		"limit: want a whole number from 1 to 10", "page: want a whole number from 1 to 10", "open: want true or false", "state: want one of open, all",
		"kinds: want a list of chat", "q: more than 3 bytes", "u: not valid UTF-8", "from: " + timeWant, "to: " + timeWant, "twice: given more than once",
		"cursor: not together with page",
	}
	if e.Detail != strings.Join(want, "; ") {
		t.Errorf("got %s", e.Detail)
	}
	if query("a=%zz").Err() == nil {
		t.Error("a malformed query was accepted")
	}
}

func TestQueryTimes(t *testing.T) {
	tests := []struct {
		text     string
		from, to int64
	}{
		{"0", 0, 999},
		{"1700000000", 1700000000000, 1700000000999},
		{"99999999999", 99999999999000, 99999999999999},
		{"100000000000", 100000000000, 100000000000},
		{"1700000000123", 1700000000123, 1700000000123},
		{"2023-11-14T22:13:20Z", 1700000000000, 1700000000999},
		{"2023-11-14T22:13:20.123Z", 1700000000123, 1700000000123},
		{"2023-11-15T00:13:20%2B02:00", 1700000000000, 1700000000999},
		{"2023-11-15T00:13:20+02:00", 1700000000000, 1700000000999},
	}
	for _, tt := range tests {
		q := query("from=" + tt.text + "&to=" + tt.text)
		from, ok1 := q.From("from")
		to, ok2 := q.To("to")
		if !ok1 || !ok2 || from != tt.from || to != tt.to {
			t.Errorf("%s: got %d to %d, %v", tt.text, from, to, q.Err())
		}
	}
	for _, bad := range []string{"-5", "1969-12-31T23:59:59Z", "99999999999999999999", "253402300800000", "2023-11-14", "1e10"} {
		q := query("from=" + bad)
		if _, ok := q.From("from"); ok || q.Err() == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
