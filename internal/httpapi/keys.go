package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync/atomic"
)

// Keys are the accepted API keys, kept as hashes and compared in constant time. Safe for concurrent use.
type Keys struct {
	hashes atomic.Pointer[[][sha256.Size]byte]
}

// NewKeys accepts any of keys. Without keys nothing is accepted.
func NewKeys(keys []string) *Keys {
	k := &Keys{}
	k.Set(keys)
	return k
}

// Set replaces the accepted keys. Empty keys are dropped.
func (k *Keys) Set(keys []string) {
	hashes := make([][sha256.Size]byte, 0, len(keys))
	for _, s := range keys {
		if s != "" {
			hashes = append(hashes, sha256.Sum256([]byte(s)))
		}
	}
	k.hashes.Store(&hashes)
}

// Allowed reports whether r carries an accepted key in X-Api-Key or Authorization: Bearer. The time it takes depends on no key.
func (k *Keys) Allowed(r *http.Request) bool {
	given := r.Header.Get("X-Api-Key")
	if given == "" {
		if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
			given = strings.TrimSpace(token)
		}
	}
	hash := sha256.Sum256([]byte(given))
	found := 0
	for _, h := range *k.hashes.Load() {
		found |= subtle.ConstantTimeCompare(hash[:], h[:])
	}
	return given != "" && found == 1
}

// RequireKey answers 401 to requests without an accepted key.
func (rs Responder) RequireKey(k *Keys) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !k.Allowed(r) {
				rs.Fail(w, r, Errorf(http.StatusUnauthorized, "missing or wrong API key (X-Api-Key or Authorization: Bearer)"))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
