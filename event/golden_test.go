package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"splitsync/event"
)

// update writes the golden files anew: go test ./event -update. A change of one is a change of the contract.
var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	file := filepath.Join("testdata", name+".json")
	got = append(bytes.Clone(got), '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./event -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
	}
	return bytes.TrimSuffix(want, []byte{'\n'})
}

// Every kind is written as its golden file says, and read back to the same value.
func TestGoldenRecords(t *testing.T) {
	samples := events()
	specs := event.Kinds()
	if len(samples) != len(specs) {
		t.Fatalf("%d samples for %d kinds", len(samples), len(specs))
	}
	for i, e := range samples {
		if e.Kind() != specs[i].Kind || specs[i].New().Kind() != specs[i].Kind {
			t.Errorf("kind %d is %s, its sample %s, its empty value %s", i, specs[i].Kind, e.Kind(), specs[i].New().Kind())
		}
		value, err := event.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := event.Decode(golden(t, "record_"+string(e.Kind()), value))
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s came back as %+v, %v", e.Kind(), back, err)
		}
	}
}

// Every other value that leaves the process is written as its golden file says; those that are read come back the same.
func TestGoldenValues(t *testing.T) {
	for name, v := range others() {
		value, err := event.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(v))
		if err := json.Unmarshal(golden(t, name, value), back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), v) {
			t.Errorf("%s came back as %+v, %v", name, back.Elem().Interface(), err)
		}
	}
}

// No golden file is left over, so that a kind that disappears is seen.
func TestGoldenFilesAreAllUsed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	known := others()
	for _, e := range events() {
		known["record_"+string(e.Kind())] = e
	}
	for _, f := range files {
		if _, ok := known[strings.TrimSuffix(filepath.Base(f), ".json")]; !ok {
			t.Errorf("%s belongs to nothing", f)
		}
	}
}

// Whatever is decoded keeps its contract, and is the same after it was encoded again. Nothing panics, and no error repeats text.
func FuzzDecode(f *testing.F) {
	for _, e := range events() {
		value, err := event.Encode(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	for _, s := range []string{
		"", "null", "[]", "{}", `{"v":1}`, `{"v":1,"type":"message"}`, `{"v":2,"type":"message","room_id":"r"}`, `{"v":1,"type":"unheard_of"}`,
		`{"v":1,"type":"message","room_id":"r","user_id":"u","nickname":"n","content":"\ud800","client_ts":1e3}`,
		`{"v":1,"type":"message","room_id":"r","room_id":"s","user_id":"u","nickname":"n","content":"a","content":"b"}`,
		`{"v":1,"type":"message","room_id":"r","user_id":"u","nickname":"n","content":"x","client_ts":99999999999999999999}`,
		"{\"v\":1,\"type\":\"message\",\"room_id\":\"r\",\"user_id\":\"u\",\"nickname\":\"n\",\"content\":\"\xff\"}",
		`{"v":1,"type":"custom_event","room_id":"r","user_id":"u","event_type":"e","payload":null}`,
		`{"v":1,"type":"user_left","room_id":"r","user_id":"u","nickname":"n","session_id":"s","join_time_ms":-9223372036854775808}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := event.Decode(value)
		if err != nil {
			return
		}
		again, err := event.Encode(e)
		if err != nil {
			t.Fatalf("decoded, but not encoded: %v", err)
		}
		back, err := event.Decode(again)
		if err != nil {
			t.Fatalf("encoded as %q, but not decoded: %v", again, err)
		}
		third, err := event.Encode(back)
		if err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%q became %q, %v", again, third, err)
		}
		if !utf8.Valid(again) {
			t.Fatalf("not UTF-8: %q", again)
		}
	})
}

// Text is the same, byte for byte, after it went through a record.
func FuzzContent(f *testing.F) {
	f.Add(text)
	f.Add(strings.Repeat("\x00", 1000))
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, content string) {
		value, err := event.Encode(&event.Message{RoomID: "r", UserID: "u", Nickname: "n", Content: content})
		if content == "" || !utf8.ValidString(content) {
			var field *event.FieldError
			if !errors.As(err, &field) || field.Field != "content" {
				t.Fatalf("%q: %v", content, err)
			}
			return
		}
		e, err := event.Decode(value)
		if err != nil || e.(*event.Message).Content != content {
			t.Fatalf("%q came back as %+v, %v", content, e, err)
		}
	})
}

func TestErrorsDoNotRepeatText(t *testing.T) {
	for _, v := range []string{
		`{"v":1,"type":"message","room_id":"r","user_id":"u","nickname":"n","content":{"secret":1}}`,
		`{"v":1,"type":"message","content":secret}`, `"secret"`,
		`{"v":1,"type":"message","room_id":"secret secret"}`,
	} {
		if _, err := event.Decode([]byte(v)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", v, err)
		}
	}
}
