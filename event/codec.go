package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Version is the schema version that Encode writes as "v".
const Version = 1

// ErrUnknown marks a record of a kind or version that this build does not know. It may be valid for a newer one.
var ErrUnknown = errors.New("unknown kind or version")

// Encode returns the value of e: a JSON object that starts with v and type. It fails if e breaks its contract (a *FieldError).
func Encode(e Event) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Kind(), err)
	}
	var buf bytes.Buffer
	buf.WriteString(`{"v":` + strconv.Itoa(Version) + `,"type":"` + string(e.Kind()) + `"`)
	body, err := Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Kind(), err)
	}
	if len(body) > len("{}") {
		buf.WriteByte(',')
	}
	buf.Write(body[1:])
	return buf.Bytes(), nil
}

// Decode reads a value that Encode wrote. It fails with ErrUnknown for an unknown kind or version, and for values that are not such JSON
// or break their contract.
func Decode(value []byte) (Event, error) {
	var head struct {
		V    int  `json:"v"`
		Type Kind `json:"type"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return nil, fmt.Errorf("decode record: %w", redact(err))
	}
	spec, ok := specOf(head.Type)
	if !ok || head.V < 1 || head.V > Version {
		return nil, fmt.Errorf("decode record: type %.32q, v %d: %w", head.Type, head.V, ErrUnknown)
	}
	e := spec.New()
	if err := json.Unmarshal(value, e); err != nil {
		return nil, fmt.Errorf("decode %s: %w", head.Type, redact(err))
	}
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("decode %s: %w", head.Type, err)
	}
	return e, nil
}

// Marshal is encoding/json without the escaping of <, > and &, and without a newline: text stays as it is in every place that shows it.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), nil
}

// redact keeps what is wrong and where, without the text that was being decoded.
func redact(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return &FieldError{typ.Field, "must be of JSON type " + typ.Type.String()}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not JSON at byte %d", syntax.Offset)
	}
	return errors.New("not a JSON object")
}

func specOf(k Kind) (Spec, bool) {
	for i := range kinds {
		if kinds[i].Kind == k {
			return kinds[i], true
		}
	}
	return Spec{}, false
}
