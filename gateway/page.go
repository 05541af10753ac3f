package gateway

import (
	_ "embed"
	"net/http"
)

// chatPage is one file: markup, style and script. Its script and style carry no secret, and the policy names them by hash-free 'self' rules.
//
//go:embed page.html
var chatPage []byte

// pagePolicy lets the page load nothing from elsewhere and connect only where it came from.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page is GET /: a small chat for trying it in a browser.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(chatPage)
}
