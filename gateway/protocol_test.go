package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"splitsync/event"
	"splitsync/gateway"
	"splitsync/internal/config"
	"splitsync/internal/testkit"
)

func TestHandshakeRefusals(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) {
		c.MaxConnections = 1
		c.AllowedOrigins = []string{"https://chat.example.com"}
	})
	room := n.room("admin")
	for _, tt := range []struct {
		name, room, user, query string
		want                    int
	}{
		{"unknown room", "nowhere", "ann", "", 404},
		{"no user", room, "", "", 400},
		{"long nickname", room, "ann", "&nickname=" + strings.Repeat("x", 129), 400},
		{"bad since", room, "ann", "&since=x", 400},
	} {
		if _, code, err := n.dial(tt.room, tt.user, tt.query, true); err == nil || code != tt.want {
			t.Errorf("%s: %d %v, want %d", tt.name, code, err, tt.want)
		}
	}
	n.join(room, "ann")
	if _, code, err := n.dial(room, "bob", "", true); err == nil || code != 503 {
		t.Errorf("over MAX_CONNECTIONS: %d %v", code, err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", n.http.URL+"/ws/rooms/"+room+"?user_id=x", nil)
	req.Header.Set("Origin", "https://evil.example.com")
	res, err := n.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 403 {
		t.Errorf("foreign origin: %d", res.StatusCode)
	}
}

func TestMalformedCommandsAreNamedAndSurvived(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	c := n.join(n.room(), "ann")
	for _, tt := range []struct {
		frame string
		code  event.ErrorCode
		has   string
	}{
		{`{`, 107, "frame"},
		{`[]`, 107, "frame"},
		{"{\"type\":\"Ping\xff\"}", 107, "UTF-8"},
		{`{"payload":{}}`, 107, "type"},
		{`{"type":7}`, 107, "type"},
		{`{"type":"Dance"}`, 104, "unknown"},
		{`{"type":"Ping","id":{}}`, 107, "id"},
		{`{"type":"SendMessage","payload":[]}`, 107, "payload"},
		{`{"type":"SendMessage","payload":{"content":7}}`, 107, "content"},
		{`{"type":"SendMessage","payload":{"content":""}}`, 107, "content must have 1 to 65536 bytes"},
		{`{"type":"SendMessage"}`, 107, "content"},
		{`{"type":"SendMessage","payload":{"content":"x","client_msg_id":"` + strings.Repeat("i", 65) + `"}}`, 107, "client_msg_id"},
		{`{"type":"SendMessage","payload":{"content":"\ud800"}}`, 107, "surrogate"},
		{`{"type":"SendMessage","payload":{"content":"` + strings.Repeat("x", 65537) + `"}}`, 123, "content"},
		{`{"type":"KickUser","payload":{"user_id":"bob"}}`, 103, "admins"},
		{`{"type":"CustomEvent","payload":{"event_type":"x"}}`, 103, "admins"},
		{`{"type":"History","payload":{"limit":101}}`, 107, "limit must be 1 to 100"},
		{`{"type":"Presence","payload":{"limit":0}}`, 107, "limit must be 1 to 1000"},
		{"\n \n", 107, "frame"},
	} {
		c.raw(tt.frame)
		if got := c.failure(); got.Code != tt.code || !strings.Contains(got.Message, tt.has) {
			t.Errorf("%.80s: %+v, want %d with %q", tt.frame, got, tt.code, tt.has)
		}
	}
	c.send(event.CmdPing, "p", map[string]any{"timestamp": 42})
	if e := c.until(event.MsgPong); string(e.ID) != `"p"` || string(e.Payload) != `{"timestamp":42}` {
		t.Errorf("pong %s %s", e.ID, e.Payload)
	}
}

func TestEveryCommandOfAFrameGetsItsOneReply(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	c := n.join(n.room("ann"), "ann")
	var frame strings.Builder
	for i := range 100 {
		fmt.Fprintf(&frame, `{"type":"SendMessage","id":%d,"payload":{"content":"m%d"}}`+"\n", i, i)
	}
	frame.WriteString(`{"type":"Nope","id":100}` + "\n" + `{"type":"History","id":101}` + "\n" + `{"type":"Presence","id":102}` + "\n" +
		`{"type":"Typing","id":103}` + "\n" + `{"type":"CustomEvent","id":104,"payload":{"event_type":"e","payload":{"a":[1]}}}`)
	c.raw(frame.String())
	replies, last := map[string]string{}, uint64(0)
	for len(replies) < 105 {
		e := c.next()
		if e.Type == event.MsgAck && string(e.ID) != "103" {
			var a event.Ack
			c.decode(e.Payload, &a)
			if a.Seq <= last {
				t.Fatalf("ack %s has seq %d after %d", e.ID, a.Seq, last)
			}
			last = a.Seq
		}
		if e.ID != nil {
			if was := replies[string(e.ID)]; was != "" {
				t.Errorf("command %s has two replies: %s, %s", e.ID, was, e.Type)
			}
			replies[string(e.ID)] = e.Type
		}
	}
	if replies["100"] != "Error" || replies["102"] != "Presence" || replies["103"] != "Ack" || replies["104"] != "Ack" {
		t.Errorf("replies %v", replies)
	}
}

func TestContentSurvivesByteForByte(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	room := n.room()
	ann, bob := n.join(room, "ann"), n.joinAs(room, "bob", "", false)
	for _, content := range contents() {
		ack := ann.say(content, "")
		if m := bob.message(); m.Content != content || m.Seq != ack.Seq {
			t.Fatalf("content of %d bytes changed: %.60q became %.60q", len(content), content, m.Content)
		}
	}
}

func TestAbuseIsClosed(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) { c.MessageRate = 1 })
	c := n.join(n.room(), "ann")
	c.say("first", "")
	c.send(event.CmdSendMessage, "", event.SendMessage{Content: "second"})
	if f := c.failure(); f.Code != event.CodeTooManyRequests || !f.Retryable || f.RetryAfterMS < 1 || f.RetryAfterMS > 1000 {
		t.Errorf("over the rate: %+v", f)
	}
	c.raw(strings.Repeat("x\n", 200))
	if code := c.closed(); code != int(event.CloseAbusive) {
		t.Errorf("closed with %d", code)
	}
}

func TestSlowMode(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) { c.MessageInterval = time.Hour })
	room := n.room("admin")
	ann, admin := n.join(room, "ann"), n.join(room, "admin")
	ann.say("first", "")
	ann.send(event.CmdSendMessage, "", event.SendMessage{Content: "second"})
	if f := ann.failure(); f.Code != event.CodeTooManyRequests || f.RetryAfterMS < 3_500_000 {
		t.Errorf("slow mode: %+v", f)
	}
	admin.say("one", "")
	admin.say("two", "")
}

func TestOversizedFrameIsClosed(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) { c.MaxMessageBytes = 1000 })
	c := n.joinAs(n.room(), "ann", "", false)
	c.raw(`{"type":"SendMessage","payload":{"content":"` + strings.Repeat("x", 20_000) + `"}}`)
	if code := c.closed(); code != int(event.CloseTooBig) {
		t.Errorf("closed with %d", code)
	}
}

func TestNoticesAndPresence(t *testing.T) {
	n := start(t, openLog(t, testkit.Kafka(t)), nil)
	room := n.room()
	ann := n.join(room, "ann")
	bob := n.joinAs(room, "bob", "&nickname=Bob", true)
	seen := func(c *client, typ, user string) {
		t.Helper()
		for {
			var m event.Member
			if c.decode(c.until(typ).Payload, &m); m.UserID == user {
				return
			}
		}
	}
	seen(ann, event.MsgUserJoined, "bob")
	for stats := (event.RoomStats{}); stats.CurrentUsers != 2; {
		ann.decode(ann.until(event.MsgRoomStats).Payload, &stats)
	}
	ann.send(event.CmdPresence, "who", map[string]int{"limit": 1})
	var page struct {
		Users      []event.Member `json:"users"`
		NextCursor string         `json:"next_cursor"`
	}
	ann.decode(ann.until(event.MsgPresence).Payload, &page)
	if len(page.Users) != 1 || page.Users[0].UserID != "ann" || page.NextCursor != "ann" {
		t.Errorf("page %+v", page)
	}
	bob.send(event.CmdTyping, "", nil)
	seen(ann, event.MsgTyping, "bob")
	_ = bob.ws.CloseNow()
	seen(ann, event.MsgUserLeft, "bob")
	for stats := (event.RoomStats{}); stats.CurrentUsers != 1 || stats.PeakUsers != 2; {
		ann.decode(ann.until(event.MsgRoomStats).Payload, &stats)
	}
}

func TestTokensDecideWhoEnters(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	n := start(t, openLog(t, testkit.Kafka(t)), func(c *gateway.Config, _ *gateway.Deps) { c.Auth, c.JWTSecret = "jwt", secret })
	room := n.room()
	exp := time.Now().Add(time.Hour).Unix()
	good := sign(secret, fmt.Sprintf(`{"sub":"ann","nickname":"Ann","rooms":[%q],"admin":true,"exp":%d}`, room, exp))
	other := sign(secret, fmt.Sprintf(`{"sub":"ann","rooms":["other"],"exp":%d}`, exp))
	for _, tt := range []struct {
		user, token string
		want        int
	}{{"ann", "", 401}, {"ann", good + "x", 401}, {"bob", good, 403}, {"ann", other, 403}} {
		if _, code, err := n.dial(room, tt.user, "&token="+tt.token, true); err == nil || code != tt.want {
			t.Errorf("%s: %d %v, want %d", tt.user, code, err, tt.want)
		}
	}
	c := n.joinAs(room, "", "&token="+good, true)
	if w := c.welcome; w.UserID != "ann" || w.Nickname != "Ann" || !w.IsAdmin {
		t.Errorf("welcome %+v", w)
	}
}

func sign(secret, body string) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(`{"alg":"HS256"}`)) + "." + enc([]byte(body))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + enc(mac.Sum(nil))
}

func TestSettingsLoad(t *testing.T) {
	var c gateway.Config
	err := config.Load(&c, []string{"KAFKA_BROKERS=a:1", "ADMIN_API_KEY=k", "GATEWAY_AUTH=none", "USER_MESSAGE_INTERVAL_SECS=3"})
	if err != nil || c.MessageInterval != 3*time.Second || c.MessageRate != 50 || c.MaxMessageBytes != 65536 || c.PingInterval != 25*time.Second {
		t.Errorf("%+v: %v", c, err)
	}
	err = config.Load(&c, []string{"KAFKA_BROKERS=a:1", "ADMIN_API_KEY=k", "GATEWAY_AUTH=jwt", "GATEWAY_JWT_SECRET=short"})
	if err == nil || !strings.Contains(err.Error(), "GATEWAY_JWT_SECRET") || strings.Contains(err.Error(), "short") {
		t.Errorf("short secret: %v", err)
	}
	if err = config.Load(&c, []string{"KAFKA_BROKERS=a:1", "ADMIN_API_KEY=k"}); err == nil || !strings.Contains(err.Error(), "GATEWAY_AUTH") {
		t.Errorf("the role needs GATEWAY_AUTH: %v", err)
	}
}
