package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxBody is the usual bound of a request body, in bytes.
const MaxBody = 1 << 20

// DecodeJSON reads the JSON body of r, at most limit bytes, into dst. Unknown fields are ignored. Its errors are Errors: 413 too big, 415 another
// content type than JSON, 400 for everything else, naming the field and never its value.
func DecodeJSON(w http.ResponseWriter, r *http.Request, limit int64, dst any) error {
	if ct := r.Header.Get("Content-Type"); ct != "" && !isJSON(ct) {
		return Errorf(http.StatusUnsupportedMediaType, "Content-Type must be application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return Errorf(http.StatusRequestEntityTooLarge, "body: more than %d bytes", limit)
	case err != nil:
		return &Error{Status: http.StatusBadRequest, Detail: "body: could not be read", Cause: err}
	case len(bytes.TrimSpace(data)) == 0:
		return BadRequest("body", "empty, want a JSON object")
	case !utf8.Valid(data):
		return BadRequest("body", "not valid UTF-8")
	}
	if err := json.Unmarshal(data, dst); err != nil {
		return jsonError(err)
	}
	return nil
}

func isJSON(contentType string) bool {
	mt, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mt == "application/json" || strings.HasSuffix(mt, "+json"))
}

// jsonError names the field and the wanted type; the library's text could repeat a value.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ):
		field := typ.Field
		if field == "" {
			field = "body"
		}
		got, _, _ := strings.Cut(typ.Value, " ")
		return BadRequest(field, "want %s, got %s", jsonType(typ.Type.Kind().String()), got)
	case errors.As(err, &syntax):
		return BadRequest("body", "not valid JSON at byte %d", syntax.Offset)
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Status: http.StatusBadRequest, Detail: "body: not valid JSON", Cause: err}
}

// jsonType is the JSON name of a Go kind.
func jsonType(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "whole number"
	case strings.HasPrefix(kind, "float"):
		return "number"
	case kind == "slice", kind == "array":
		return "array"
	case kind == "struct", kind == "map":
		return "object"
	case kind == "bool":
		return "true or false"
	}
	return kind
}
