package event_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"splitsync/event"
)

// Every bound of the contract holds at the bound and is named behind it.
func TestBounds(t *testing.T) {
	message := func(change func(*event.Message)) event.Event {
		m := &event.Message{RoomID: "r", UserID: "u", Nickname: "n", Content: "x"}
		change(m)
		return m
	}
	left := func(change func(*event.UserLeft)) event.Event {
		e := &event.UserLeft{RoomID: "r", UserID: "u", Nickname: "n", SessionID: "s"}
		change(e)
		return e
	}
	custom := func(payload string) event.Event {
		return &event.CustomEvent{RoomID: "r", UserID: "u", EventType: "e", Payload: json.RawMessage(payload)}
	}
	long := strings.Repeat
	for _, c := range []struct {
		name  string
		e     event.Event
		field string // "" = allowed
	}{
		{"room of 128", message(func(m *event.Message) { m.RoomID = long("r", 128) }), ""},
		{"room of 129", message(func(m *event.Message) { m.RoomID = long("r", 129) }), "room_id"},
		{"no room", message(func(m *event.Message) { m.RoomID = "" }), "room_id"},
		{"room with a bar", message(func(m *event.Message) { m.RoomID = "a|b" }), "room_id"},
		{"room with a line", message(func(m *event.Message) { m.RoomID = "a\n" }), "room_id"},
		{"room of dots", message(func(m *event.Message) { m.RoomID = "._~-" }), ""},
		{"user of 128 bytes", message(func(m *event.Message) { m.UserID = long("é", 64) }), ""},
		{"user of 129 bytes", message(func(m *event.Message) { m.UserID = long("é", 64) + "x" }), "user_id"},
		{"no nickname", message(func(m *event.Message) { m.Nickname = "" }), "nickname"},
		{"no content", message(func(m *event.Message) { m.Content = "" }), "content"},
		{"content of NUL", message(func(m *event.Message) { m.Content = "\x00" }), ""},
		{"content not UTF-8", message(func(m *event.Message) { m.Content = "a\xff" }), "content"},
		{"lone surrogate", message(func(m *event.Message) { m.Content = "\xed\xa0\x80" }), "content"},
		{"id of 64", message(func(m *event.Message) { m.ClientMsgID = long("i", 64) }), ""},
		{"id of 65", message(func(m *event.Message) { m.ClientMsgID = long("i", 65) }), "client_msg_id"},
		{"join before 1970", left(func(e *event.UserLeft) { e.JoinTimeMS = -1 }), "join_time_ms"},
		{"leave in 2106", left(func(e *event.UserLeft) { e.LeaveTimeMS = event.MaxTimeMS }), ""},
		{"leave behind it", left(func(e *event.UserLeft) { e.LeaveTimeMS = event.MaxTimeMS + 1 }), "leave_time_ms"},
		{"incarnation not UTF-8", left(func(e *event.UserLeft) { e.Incarnation = "\xff" }), "incarnation"},
		{"reason of 65", left(func(e *event.UserLeft) { e.Reason = event.LeaveReason(long("r", 65)) }), "reason"},
		{"no payload", custom(""), ""},
		{"payload null", custom("null"), ""},
		{"payload no JSON", custom("{"), "payload"},
		{"payload not UTF-8", custom("\"\xff\""), "payload"},
		{"by not UTF-8", event.NewUserBanned("r", "u", "\xff"), "by"},
		{"1000 admins", event.NewAdminsChanged("r", strings.Split(long("a,", 999)+"a", ",")), ""},
		{"1001 admins", event.NewAdminsChanged("r", strings.Split(long("a,", 1000)+"a", ",")), "admin_user_ids"},
		{"an empty admin", event.NewAdminsChanged("r", []string{"a", ""}), "admin_user_ids[1]"},
		{"room name of 257", &event.RoomCreated{RoomID: "r", RoomName: long("n", 257)}, "room_name"},
		{"no incarnation", &event.GatewayFence{}, "incarnation"},
	} {
		_, err := event.Encode(c.e)
		var field *event.FieldError
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &field) || field.Field != c.field) {
			t.Errorf("%s: %v, want a fault of %q", c.name, err, c.field)
		}
	}
}

// Two members or ids never give one dedupe key.
func TestDedupeKeysDoNotCollide(t *testing.T) {
	keys := map[string][2]string{}
	parts := []string{"a", "b", ":", "1:a", "a:", ":a", "1", "a:1:b"}
	for _, user := range parts {
		for _, id := range parts {
			m := event.Message{RoomID: "r", UserID: user, ClientMsgID: id}
			if other, ok := keys[m.DedupeKey()]; ok {
				t.Errorf("%q and %q have the key %q", [2]string{user, id}, other, m.DedupeKey())
			}
			keys[m.DedupeKey()] = [2]string{user, id}
		}
	}
}

// Register keys are read back as they were written, whatever a user is called.
func TestRegisterKeysComeBack(t *testing.T) {
	for _, k := range []event.RegisterKey{
		{Room: "r", Aspect: event.AspectMeta}, {Room: "a.b", Aspect: event.AspectBan, User: "u|v|w"}, {Room: "r", Aspect: event.AspectMute, User: "|"},
	} {
		if got, ok := event.ParseRegisterKey(k.String()); !ok || got != k {
			t.Errorf("%+v came back as %+v, %v", k, got, ok)
		}
	}
	for _, s := range []string{event.LogRegister, "", "|", "r|", "|meta"} {
		if k, ok := event.ParseRegisterKey(s); ok {
			t.Errorf("%q was read as %+v", s, k)
		}
	}
}

// docs/EVENTS.md is what the code says: go test ./event -update writes it.
func TestDocumentIsCurrent(t *testing.T) {
	const file = "../docs/EVENTS.md"
	if *update {
		if err := os.WriteFile(file, []byte(event.Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || string(have) != event.Document() {
		t.Errorf("%s is not current (%v): run go test ./event -update", file, err)
	}
}
