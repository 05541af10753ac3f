package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"splitsync/event"
	"splitsync/internal/httpapi"
)

// member is who wants into which room, and from where on.
type member struct {
	room, user, nickname string
	admin                bool   // by token
	resume               bool   // since was given
	since                uint64 // the client's position
	history              int    // records to show at the start
}

// identify reads the handshake. Its errors are *httpapi.Error.
func (s *Server) identify(r *http.Request, room string) (member, error) {
	q := httpapi.NewQuery(r)
	m := member{room: room, user: q.Text("user_id", "", event.MaxUserBytes), nickname: q.Text("nickname", "", event.MaxUserBytes)}
	m.history = int(q.Int("history", 0, 0, maxHistory))
	if m.resume = q.Has("since"); m.resume {
		m.since = uint64(q.Int("since", 0, 0, 1<<53-1))
		if m.since == 0 { // everything from the beginning on
			m.since = s.beginning()
		}
	}
	if err := q.Err(); err != nil {
		return m, err
	}
	if err := event.CheckRoomID(room); err != nil {
		return m, httpapi.NotFound("room")
	}
	if s.cfg.Auth == "jwt" {
		if err := s.identifyByToken(r, &m); err != nil {
			return m, err
		}
	}
	if err := event.CheckUser("user_id", m.user); err != nil {
		return m, httpapi.Errorf(http.StatusBadRequest, "%s", err)
	}
	if m.nickname == "" {
		m.nickname = m.user
	}
	return m, nil
}

// claims are what a token tells.
type claims struct {
	Sub       string          `json:"sub"`
	Nickname  string          `json:"nickname"`
	Rooms     json.RawMessage `json:"rooms"` // a list, or "*"
	Admin     bool            `json:"admin"`
	Expires   *float64        `json:"exp"`
	NotBefore *float64        `json:"nbf"`
}

// identifyByToken takes user, nickname and rights from the token in the query or in the Authorization header; a user_id in the query must be
// the token's.
func (s *Server) identifyByToken(r *http.Request, m *member) error {
	token := r.URL.Query().Get("token")
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); token == "" && ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	c, err := verifyToken(token, []byte(s.cfg.JWTSecret), time.Now())
	if err != nil {
		return httpapi.Errorf(http.StatusUnauthorized, "token: %s", err)
	}
	if m.user != "" && m.user != c.Sub {
		return httpapi.Errorf(http.StatusForbidden, "user_id: is not the token's sub")
	}
	if !c.mayEnter(m.room) {
		return httpapi.Errorf(http.StatusForbidden, "the token is not for this room")
	}
	m.user, m.admin = c.Sub, c.Admin
	if c.Nickname != "" {
		m.nickname = c.Nickname
	}
	return nil
}

func (c claims) mayEnter(room string) bool {
	var all string
	if json.Unmarshal(c.Rooms, &all) == nil {
		return all == "*"
	}
	var list []string
	if json.Unmarshal(c.Rooms, &list) != nil {
		return false
	}
	for _, r := range list {
		if r == room || r == "*" {
			return true
		}
	}
	return false
}

// verifyToken checks a JWT that was signed with HS256 (RFC 7519, RFC 7515). A token without exp is refused.
func verifyToken(token string, secret []byte, now time.Time) (claims, error) {
	var c claims
	signed, signature, ok := cutLast(token, ".")
	head, body, ok2 := strings.Cut(signed, ".")
	if !ok || !ok2 {
		return c, errors.New("missing or not a JWT")
	}
	var h struct {
		Alg  string `json:"alg"`
		Crit []any  `json:"crit"`
	}
	if err := decodePart(head, &h); err != nil || h.Alg != "HS256" || len(h.Crit) > 0 {
		return c, errors.New("must be signed with HS256")
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return c, errors.New("wrong signature")
	}
	if err := decodePart(body, &c); err != nil {
		return c, errors.New("claims cannot be read")
	}
	seconds := float64(now.UnixMilli()) / 1000
	switch {
	case c.Expires == nil:
		return c, errors.New("has no exp")
	case seconds >= *c.Expires:
		return c, errors.New("expired at " + strconv.FormatFloat(*c.Expires, 'f', 0, 64))
	case c.NotBefore != nil && seconds < *c.NotBefore:
		return c, errors.New("not valid yet")
	}
	return c, nil
}

func decodePart(s string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}
