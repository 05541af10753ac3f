package syncapi

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"splitsync/event"
	"splitsync/internal/httpapi"
)

// page and legacyRoom are the bodies that are written piece by piece, whole.
type page[R any] struct {
	RoomID     string     `json:"room_id"`
	Records    []R        `json:"records"`
	Pagination Pagination `json:"pagination"`
}

type legacyRoom struct {
	event.LegacyRoom
	ChatHistory    []event.ChatRecord    `json:"chat_history"`
	SessionHistory []event.SessionRecord `json:"session_history"`
	Truncated      bool                  `json:"truncated,omitempty"` // callbacks only
}

// spec is the document that the server gives out, as kin-openapi reads it.
type spec struct {
	doc    *openapi3.T
	router routers.Router
}

func loadSpec(t *testing.T) *spec {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openapiJSON)
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &spec{doc, router}
}

// check holds an answer against the document: status, headers, content type and body (JSON Schema 2020-12). A request that the document does not
// allow must not be answered well.
func (s *spec) check(t *testing.T, req *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	route, params, err := s.router.FindRoute(req)
	if err != nil {
		t.Fatalf("%s %s is not in the document: %v", req.Method, req.URL.Path, err)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && resp.StatusCode < 400 {
		t.Errorf("%s: the document forbids the request, the answer is %d: %v", req.URL, resp.StatusCode, err)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") { // kin-openapi cannot decode a page
		in.Options.ExcludeResponseBody = true
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s: the answer is not in the document: %v\n%.2000s", req.Method, req.URL, err, body)
	}
}

func TestDocumentIsValid(t *testing.T) {
	s := loadSpec(t)
	if err := s.doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	if !s.doc.IsOpenAPI31OrLater() || len(s.doc.Webhooks) == 0 {
		t.Errorf("version %s with %d webhooks", s.doc.OpenAPI, len(s.doc.Webhooks))
	}
	if !bytes.Contains(docsHTML, []byte(`fetch("openapi.json")`)) || bytes.Contains(docsHTML, []byte("://")) {
		t.Error("the page has to show the document and ask no other host")
	}
}

// TestSchemasAreTheStructs holds every schema against the struct that is encoded: the same fields, and required where the struct always writes
// them.
func TestSchemasAreTheStructs(t *testing.T) {
	s := loadSpec(t)
	structs := map[string]any{
		"Problem": httpapi.Problem{}, "Stats": event.Stats{}, "PeriodicStats": event.PeriodicStats{}, "ChatRecord": event.ChatRecord{},
		"SessionRecord": event.SessionRecord{}, "RoomInfo": event.RoomInfo{}, "SyncRoom": syncRoom{}, "Pagination": Pagination{},
		"ChatPage": page[event.ChatRecord]{}, "SessionPage": page[event.SessionRecord]{}, "LegacyStats": event.LegacyStats{},
		"LegacyRoom": legacyRoom{}, "SyncAccepted": accepted{}, "RoomCreatedBody": event.RoomCreatedBody{},
		"RoomClosedBody": event.RoomClosedBody{}, "UserJoinedBody": event.UserJoinedBody{}, "UserLeftBody": event.UserLeftBody{},
		"ChatBatchBody": event.ChatBatchBody{}, "SessionBatchBody": event.SessionBatchBody{}, "PeriodicBody": event.PeriodicBody{},
		"PingBody": event.CallbackHead{},
	}
	for name, ref := range s.doc.Components.Schemas {
		v, ok := structs[name]
		if !ok {
			t.Errorf("schema %s has no struct", name)
			continue
		}
		delete(structs, name)
		always, all := map[string]bool{}, map[string]bool{}
		jsonFields(reflect.TypeOf(v), always, all)
		for field := range all {
			if ref.Value.Properties[field] == nil {
				t.Errorf("%s lacks %s", name, field)
			}
			if field == "room_id" && strings.HasSuffix(name, "Body") {
				continue // never empty, though the struct allows it
			}
			if always[field] != slices.Contains(ref.Value.Required, field) {
				t.Errorf("%s.%s: always written %v, required %v", name, field, always[field], !always[field])
			}
		}
		for field := range ref.Value.Properties {
			if !all[field] {
				t.Errorf("%s has %s, the struct has not", name, field)
			}
		}
	}
	for name := range structs {
		t.Errorf("no schema %s", name)
	}
}

// jsonFields gathers the names under which encoding/json writes the fields of t.
func jsonFields(t reflect.Type, always, all map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			jsonFields(f.Type, always, all)
			continue
		}
		all[name] = true
		if !strings.Contains(options, "omitempty") {
			always[name] = true
		}
	}
}

func TestEveryCallbackIsAWebhook(t *testing.T) {
	s := loadSpec(t)
	for _, c := range []event.CallbackType{event.CallbackRoomCreated, event.CallbackRoomClosed, event.CallbackUserJoined, event.CallbackUserLeft,
		event.CallbackChatBatch, event.CallbackSessionBatch, event.CallbackPeriodic, event.CallbackPing, "legacy"} {
		if s.doc.Webhooks[string(c)] == nil {
			t.Errorf("no webhook %s", c)
		}
	}
}
