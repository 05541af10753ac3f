package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"splitsync/event"
)

// envelope encodes one envelope without a newline in it. Its payloads are ours, so that they can always be encoded.
func envelope(typ string, id json.RawMessage, payload any) []byte {
	body, err := event.Marshal(payload)
	if err != nil {
		body = []byte("{}")
	}
	b := make([]byte, 0, len(body)+len(typ)+len(id)+32)
	b = append(append(append(b, `{"type":"`...), typ...), '"')
	if len(id) > 0 {
		b = append(append(b, `,"id":`...), id...)
	}
	b = append(append(b, `,"payload":`...), body...)
	return append(b, '}')
}

// maxIDBytes bounds the id of a command.
const maxIDBytes = 128

// command is one decoded envelope of a client.
type command struct {
	typ     string
	id      json.RawMessage // nil: no reply wanted
	payload json.RawMessage // a JSON object, or empty
}

// field makes the error of a malformed command.
func field(name, problem string) error { return &event.FieldError{Field: name, Problem: problem} }

// decodeCommand reads one envelope. Its error is a *event.FieldError; the command has the id if that could be read.
func decodeCommand(line []byte, withID bool) (command, error) {
	if !utf8.Valid(line) {
		return command{}, field("frame", "must be UTF-8")
	}
	var e event.Envelope
	if err := json.Unmarshal(line, &e); err != nil {
		return command{}, asField("frame", err)
	}
	c := command{typ: e.Type, payload: e.Payload}
	if withID && len(e.ID) > 0 && string(e.ID) != "null" {
		if len(e.ID) > maxIDBytes || e.ID[0] == '{' || e.ID[0] == '[' || e.ID[0] == 't' || e.ID[0] == 'f' {
			return command{}, field("id", "must be a string or number of at most 128 bytes")
		}
		c.id = bytes.Clone(e.ID)
	}
	if c.typ == "" {
		return c, field("type", "must be set")
	}
	if loneSurrogate(line) {
		return c, field("payload", "holds half of a surrogate pair")
	}
	return c, nil
}

// into decodes the payload of a command. Its error is a *event.FieldError.
func (c *command) into(v any) error {
	if len(c.payload) == 0 || string(c.payload) == "null" {
		return nil
	}
	if err := json.Unmarshal(c.payload, v); err != nil {
		return asField("payload", err)
	}
	return nil
}

// asField tells where JSON is wrong, without repeating what was sent.
func asField(name string, err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		if typ.Field != "" {
			name = typ.Field
		}
		return field(name, "has the wrong JSON type")
	}
	return field(name, "must be a JSON object")
}

// loneSurrogate tells whether JSON text has an escape such as \ud800 without its other half: that is no Unicode text, and encoding/json
// would silently replace it.
func loneSurrogate(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] != 'u' || i+6 > len(text) {
			i++
			continue
		}
		switch unit := hex4(text[i+2 : i+6]); {
		case unit>>10 == 0xd800>>10:
			next := text[i+6:]
			if len(next) < 6 || next[0] != '\\' || next[1] != 'u' || hex4(next[2:6])>>10 != 0xdc00>>10 {
				return true
			}
			i += 11
		case unit>>10 == 0xdc00>>10:
			return true
		default:
			i += 5
		}
	}
	return false
}

func hex4(b []byte) (n uint32) {
	for _, c := range b {
		n <<= 4
		switch {
		case c >= '0' && c <= '9':
			n |= uint32(c - '0')
		case c >= 'a' && c <= 'f':
			n |= uint32(c-'a') + 10
		case c >= 'A' && c <= 'F':
			n |= uint32(c-'A') + 10
		}
	}
	return n
}
