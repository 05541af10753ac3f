package exporter

import (
	"strings"
	"testing"
	"time"

	"splitsync/internal/config"
)

func TestSettingsHaveTheDefaultsOfTheContract(t *testing.T) {
	var c Callbacks
	if err := config.Load(&c, nil); err != nil {
		t.Fatal(err)
	}
	if c.ChatHistory.Size != 1000 || c.ChatHistory.Interval != 300*time.Second || c.SessionHistory.Size != 500 || c.SessionHistory.Interval != 600*time.Second ||
		c.SyncInterval != 300*time.Second || c.MaxRetries != 3 || c.RetryDelay != 5*time.Second || c.Timeout != 30*time.Second ||
		c.MaxBodyBytes != 5<<20 || c.BufferBytes != 128<<20 || c.Case != "snake" || c.Start != "now" || c.OnExhausted != "auto" || c.Data.MaxRecords != 0 {
		t.Errorf("%+v", c)
	}
	for stream, to := range c.endpoints() {
		if to.url != "" {
			t.Errorf("stream %s is on", stream)
		}
	}
}

func TestStreamsOverrideHeadersAndSecrets(t *testing.T) {
	var c Callbacks
	err := config.Load(&c, []string{
		"CHAT_HISTORY_CALLBACK_URL=https://a.example/hook", "ROOM_EVENT_CALLBACK_URL=http://b.example",
		"CALLBACK_HEADERS=Authorization:Bearer common,X-Tenant:7", "CHAT_HISTORY_CALLBACK_HEADERS=Authorization:Bearer chat",
		"CALLBACK_SIGNING_SECRETS=" + testSecret + "," + testSecret, "ROOM_EVENT_CALLBACK_SECRETS=" + testSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	to := c.endpoints()
	if h := to[Chat].headers; h["Authorization"] != "Bearer chat" || len(h) != 1 {
		t.Errorf("chat: %v", h)
	}
	if h := to[RoomEvents].headers; h["Authorization"] != "Bearer common" || h["X-Tenant"] != "7" {
		t.Errorf("room events: %v", h)
	}
	if len(to[Chat].secrets) != 2 || len(to[RoomEvents].secrets) != 1 {
		t.Errorf("secrets: %d, %d", len(to[Chat].secrets), len(to[RoomEvents].secrets))
	}
}

func TestBadSettingsAreAllNamedWithoutTheirSecrets(t *testing.T) {
	var c Callbacks
	err := config.Load(&c, []string{
		"CHAT_HISTORY_CALLBACK_URL=ftp://tok1@a.example", "DATA_CALLBACK_URL=https://", "SESSION_HISTORY_CALLBACK_URL=https://ok.example",
		"SESSION_HISTORY_CALLBACK_SECRETS=whsec_tok2", "SESSION_HISTORY_CALLBACK_HEADERS=bad name:tok3",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	text := err.Error()
	for _, name := range []string{"CHAT_HISTORY_CALLBACK_URL", "DATA_CALLBACK_URL", "secrets of SESSION_HISTORY_CALLBACK_URL", "headers of SESSION_HISTORY_CALLBACK_URL"} {
		if !strings.Contains(text, name) {
			t.Errorf("%s is not named in %s", name, text)
		}
	}
	if strings.Contains(text, "tok") {
		t.Errorf("a secret is shown: %s", text)
	}
	for _, bad := range []string{
		"CALLBACK_BATCH_GROUPING=partition", "CALLBACK_EVENT_TYPE_CASE=kebab", "CALLBACK_ON_EXHAUSTED=drop", "CALLBACK_START=then",
		"CHAT_HISTORY_BATCH_SIZE=0", "CALLBACK_MAX_RETRIES=-1", "CALLBACK_MAX_BODY_BYTES=10", "CALLBACK_TIMEOUT_SECONDS=0",
	} {
		name, _, _ := strings.Cut(bad, "=")
		if err := config.Load(&c, []string{bad}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
