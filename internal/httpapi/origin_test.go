package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestOrigins(t *testing.T) {
	tests := []struct {
		allowed []string
		origin  string
		want    bool
	}{
		{nil, "", true},
		{nil, "http://chat.example.com:3000", true},
		{nil, "http://other.example.com", false},
		{nil, "null", false},
		{[]string{"*"}, "http://any.where", true},
		{[]string{"*"}, "null", true},
		{[]string{"https://a.example.com"}, "https://a.example.com", true},
		{[]string{"https://A.example.com/"}, "https://a.EXAMPLE.com", true},
		{[]string{"https://a.example.com"}, "http://a.example.com", false},
		{[]string{"https://a.example.com"}, "https://a.example.com.evil.org", false},
		{[]string{"https://*.example.com"}, "https://b.example.com", true},
		{[]string{"https://*.example.com"}, "https://evil.org/.example.com", false},
		{[]string{"https://*.example.com"}, "https://example.com", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "http://chat.example.com:3000/ws", nil)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if got := NewOrigins(tt.allowed).Allowed(r); got != tt.want {
			t.Errorf("%v, origin %q: got %v", tt.allowed, tt.origin, got)
		}
	}
}

func TestCORS(t *testing.T) {
	h := NewOrigins([]string{"https://a.example.com"}).CORS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	ask := func(method, origin, preflight string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		r.Header.Set("Origin", origin)
		if preflight != "" {
			r.Header.Set("Access-Control-Request-Method", preflight)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := ask("OPTIONS", "https://a.example.com", "PUT")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "https://a.example.com" || w.Header().Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	w = ask("GET", "https://a.example.com", "")
	if w.Code != http.StatusTeapot || w.Header().Get("Access-Control-Expose-Headers") == "" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("answer: %d %v", w.Code, w.Header())
	}
	w = ask("OPTIONS", "https://b.example.com", "PUT")
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a stranger's preflight: %v", w.Header())
	}
}
