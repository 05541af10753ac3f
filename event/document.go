package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Document returns docs/EVENTS.md: every kind of records with its fields, as the code has them.
func Document() string {
	var b strings.Builder
	b.WriteString("# Events\n\nGenerated from the package `event`; do not edit. The records of the topics `chat` and `sessions`: the truth from which everything else follows.\n\n" +
		"The key of a record is its room_id (empty for `gateway_fence`). The value is a JSON object that starts with `v`, the schema version, and `type`. " +
		"Headers repeat what a consumer needs for routing: `type`; `id`, the writer's own name for the record, if it has one; `dedupe`, if a repeat of the record can be told by it. " +
		"Fields may be added; a field never changes its name, type or meaning. Unknown fields are to be passed over. An example of each stands in `event/testdata/record_TYPE.json`.\n\n" +
		"Times ending in `_ms` are Unix milliseconds. The time, the seq and the message_id of a record are not in it: they are facts of the log (see `docs/PROTOCOL.md` and `internal/kafkalog`).\n")
	fmt.Fprintf(&b, "\nSchema version: %d.\n", Version)
	for _, s := range kinds {
		fmt.Fprintf(&b, "\n## %s\n\nTopic `%s`. %s\n\n| field | JSON type | |\n|---|---|---|\n", s.Kind, s.Topic, s.Doc)
		for _, f := range fieldsOf(reflect.TypeOf(s.New()).Elem()) {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.typ, f.note)
		}
	}
	return b.String()
}

type field struct{ name, typ, note string }

// fieldsOf lists the JSON fields of a struct, those of embedded structs in their place.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			all = append(all, fieldsOf(f.Type)...)
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		note := ""
		if strings.Contains(options, "omitempty") {
			note = "absent when empty"
		}
		all = append(all, field{name, jsonType(f.Type), note})
	}
	return all
}

func jsonType(t reflect.Type) string {
	if t == reflect.TypeFor[json.RawMessage]() {
		return "any"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array of " + jsonType(t.Elem())
	case reflect.Struct:
		var names []string
		for _, f := range fieldsOf(t) {
			names = append(names, "`"+f.name+"`")
		}
		return "object: " + strings.Join(names, ", ")
	}
	return "integer"
}
