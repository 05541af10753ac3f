package httpapi

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Origins decides which browser pages may use the routes (ALLOWED_ORIGINS).
type Origins struct {
	any  bool
	list []string
}

// NewOrigins takes origins such as https://chat.example.com, or with one wildcard level https://*.example.com, or * for all. An empty list
// allows only pages of the same host.
func NewOrigins(list []string) Origins {
	var o Origins
	for _, s := range list {
		if s == "*" {
			o.any = true
		}
		o.list = append(o.list, strings.ToLower(strings.TrimSuffix(s, "/")))
	}
	return o
}

// Allowed reports whether the Origin of r may use the routes. A request without Origin is not from a browser page and allowed.
func (o Origins) Allowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || o.any {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if len(o.list) == 0 {
		return strings.EqualFold(u.Host, r.Host)
	}
	got := strings.ToLower(u.Scheme + "://" + u.Host)
	for _, pattern := range o.list {
		if ok, err := path.Match(pattern, got); err == nil && ok {
			return true
		}
	}
	return false
}

// Headers of requests and answers that pages of other origins may set and read.
const (
	corsRequest = "Authorization, Content-Type, X-Api-Key, X-Request-Id"
	corsAnswer  = "Link, Retry-After, X-Request-Id, X-Sync-Lag-Ms, X-Sync-Watermark, X-Total-Count"
)

// CORS answers preflight requests and marks answers to allowed origins. Others get no marks: their browser refuses.
func (o Origins) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		h := w.Header()
		h.Add("Vary", "Origin")
		if origin != "" && o.Allowed(r) {
			if o.any {
				origin = "*"
			}
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsAnswer)
			if preflight {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
				h.Set("Access-Control-Allow-Headers", corsRequest)
				h.Set("Access-Control-Max-Age", "600")
			}
		}
		if preflight {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
