package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Names of bodies that are not an event_type of splitsync: legacy has none, unknown is newer than this program.
const (
	kindPing    = "ping"
	kindLegacy  = "legacy"
	kindUnknown = "unknown"
)

// kinds are all names in /stats.
func kinds() []string {
	return []string{
		"room_created", "room_closed", "user_joined", "user_left", "chat_history_batch", "session_history_batch", "periodic_sync", kindPing,
		kindLegacy, kindUnknown,
	}
}

func zeroCounts() map[string]int64 {
	m := map[string]int64{}
	for _, k := range kinds() {
		m[k] = 0
	}
	return m
}

// body holds the fields that this program looks at; what else a body has stays in the file.
type body struct {
	kind string

	EventID      any             `json:"event_id"`
	BatchID      any             `json:"batch_id"`
	RoomID       string          `json:"room_id"`
	Timestamp    int64           `json:"timestamp"`
	RoomName     *string         `json:"room_name"`
	AdminIDs     []string        `json:"admin_ids"`
	AdminUserIDs []string        `json:"admin_user_ids"`
	FinalStats   stats           `json:"final_stats"`
	Stats        stats           `json:"stats"`
	Messages     []messageRecord `json:"messages"`
	Sessions     []sessionRecord `json:"sessions"`
	RoomInfo     struct {
		RoomName     *string  `json:"room_name"`
		AdminUserIDs []string `json:"admin_user_ids"`
	} `json:"room_info"`
	stats                            // of the legacy body
	ChatHistory    []json.RawMessage `json:"chat_history"`
	SessionHistory []json.RawMessage `json:"session_history"`
}

type stats struct {
	CurrentUsers *int64 `json:"current_users"`
	PeakUsers    *int64 `json:"peak_users"`
	TotalJoins   *int64 `json:"total_joins"`
}

type messageRecord struct {
	RoomID string `json:"room_id"`
	recentMessage
}

type sessionRecord struct {
	RoomID string `json:"room_id"`
	recentSession
}

// parseBody reads a body and checks the form that its type has. Unknown events and unknown fields are fine.
func parseBody(raw []byte) (*body, error) {
	switch {
	case !utf8.Valid(raw):
		return nil, errors.New("it must be UTF-8")
	case !json.Valid(raw):
		return nil, errors.New("it must be JSON")
	case bytes.TrimLeft(raw, " \t\r\n")[0] != '{':
		return nil, errors.New("it must be a JSON object")
	}
	var head struct {
		EventType any `json:"event_type"`
		EventID   any `json:"event_id"`
		BatchID   any `json:"batch_id"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return nil, err
	}
	b := &body{kind: kindOf(head.EventType), EventID: head.EventID, BatchID: head.BatchID}
	if b.kind == kindUnknown {
		return b, nil
	}
	if err := json.Unmarshal(raw, b); err != nil {
		var bad *json.UnmarshalTypeError
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("%s must not be a %s", bad.Field, bad.Value)
		}
		return nil, err
	}
	mayLackRoom := b.kind == kindPing || b.kind == "chat_history_batch" || b.kind == "session_history_batch"
	if b.RoomID == "" && !mayLackRoom {
		return nil, errors.New("room_id is missing")
	}
	return b, nil
}

// kindOf reads room_created, and RoomCreated as the old server wrote it.
func kindOf(eventType any) string {
	if eventType == nil {
		return kindLegacy
	}
	name, ok := eventType.(string)
	if !ok {
		return kindUnknown
	}
	for _, k := range kinds()[:8] {
		if name == k || name == pascal(k) {
			return k
		}
	}
	return kindUnknown
}

func pascal(s string) string {
	parts := strings.Split(s, "_")
	for i, p := range parts {
		parts[i] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}

// id is the body's own id, or empty.
func (b *body) id() string {
	for _, v := range []any{b.EventID, b.BatchID} {
		if s, ok := v.(string); ok && s != "" {
			return s
		}
	}
	return ""
}
