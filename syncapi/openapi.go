package syncapi

import (
	_ "embed"
	"net/http"
	"strconv"
)

//go:embed openapi.json
var openapiJSON []byte

//go:embed docs.html
var docsHTML []byte

// docsPolicy lets the page run its own script and nothing of others.
const docsPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// openapi answers the API's description: OpenAPI 3.1 with the callbacks under webhooks.
func openapi(w http.ResponseWriter, _ *http.Request) error {
	return file(w, "application/json", openapiJSON)
}

// docs answers a page that shows it; it needs nothing from other hosts.
func docs(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Security-Policy", docsPolicy)
	return file(w, "text/html; charset=utf-8", docsHTML)
}

func file(w http.ResponseWriter, contentType string, data []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "max-age=300")
	h.Set("Content-Length", strconv.Itoa(len(data)))
	// A failed write means that the client has gone.
	_, _ = w.Write(data)
	return nil
}
