package up

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	client "splitsync/client/go"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

// What must appear in no log line and no metric, by what it is.
const (
	secretKey      = "KEYSECRET-0123456789"
	secretJWT      = "JWTSECRET-0123456789-0123456789-0123456789"
	secretUser     = "URLUSERSECRET"
	secretPass     = "URLPASSSECRET"
	secretQuery    = "URLQUERYSECRET"
	secretHeader   = "HEADERSECRET"
	secretText     = "TEXTSECRET"
	secretNickname = "NICKSECRET"
	wrongKey       = "WRONGKEYSECRET"
)

// tokenFor signs a token for every room.
func tokenFor(user, secret string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	signed := part(`{"alg":"HS256"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"nickname":%q,"rooms":"*","admin":true,"exp":%d}`,
		user, secretNickname, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestSecretsAndTextsStayOutOfLogsAndMetrics(t *testing.T) {
	broker, receiver := testkit.FreshBroker(t, devstack.BrokerConfig{}), testkit.NewReceiver(t)
	receiver.Decide(func(testkit.Received) testkit.Answer { return testkit.Answer{Status: 500, Body: secretText} })
	addr, database := testkit.ClickHouse(t)
	hook := strings.Replace(receiver.URL(), "://", "://"+secretUser+":"+secretPass+"@", 1) + "/hook?token=" + secretQuery
	dead := "http://" + secretUser + ":" + secretPass + "@127.0.0.1:1/hook?token=" + secretQuery
	r := start(t, environ(t, "KAFKA_BROKERS="+broker.Addr(), "CLICKHOUSE_ADDR="+addr, "CLICKHOUSE_DATABASE="+database,
		"ADMIN_API_KEY="+secretKey, "GATEWAY_AUTH=jwt", "GATEWAY_JWT_SECRET="+secretJWT, "CALLBACK_SIGNING_SECRETS="+signing,
		"ROOM_EVENT_CALLBACK_URL="+hook, "CHAT_HISTORY_CALLBACK_URL="+hook, "SESSION_HISTORY_CALLBACK_URL="+dead,
		"PERIODIC_SYNC_CALLBACK_URL="+dead, "DATA_CALLBACK_URL="+hook, "CALLBACK_HEADERS=x-token:"+secretHeader,
		"CALLBACK_MAX_RETRIES=1", "CALLBACK_RETRY_DELAY_SECONDS=0", "CHAT_HISTORY_BATCH_INTERVAL_SECONDS=1", "SESSION_HISTORY_BATCH_INTERVAL_SECONDS=1",
		"SYNC_INTERVAL_SECONDS=1"))
	r.room("lobby")
	token := tokenFor("ann", secretJWT)
	ann := r.join("lobby", "", token)
	r.say(ann, secretText)
	r.history("lobby", secretText)
	badRequests(t, r, token)
	badCommands(t, r)
	leaving := r.join("lobby", "", tokenFor("bob", secretJWT))
	if err := leaving.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	receiver.WaitFor(soon, func(got []testkit.Received) error {
		if len(got) < 4 {
			return fmt.Errorf("%d callbacks", len(got))
		}
		return nil
	})
	r.logged("stream") // a callback that failed is told

	broker.Stop()
	for _, path := range []string{"/management/rooms", "/management/rooms/lobby/system-message"} {
		r.call("POST", path, `{"content":"`+secretText+`"}`)
	}
	broker.Start()
	r.say(ann, secretText+" again")
	scraped := scrape(t, r)
	_, health, _ := r.call("GET", "/management/health?verbose=1", "")
	r.end()
	mustNotHold(t, map[string]string{"log": r.log.String(), "banner": r.out.String(), "metrics": scraped, "health": health}, map[string]string{
		"API key": secretKey, "wrong key": wrongKey, "JWT secret": secretJWT, "token": token, "signature of a token": token[strings.LastIndex(token, ".")+1:],
		"signing secret": signing, "signing secret, raw": "c2lnbmluZy1zZWNyZXQ", "user of a URL": secretUser, "password of a URL": secretPass,
		"query of a URL": secretQuery, "header": secretHeader, "message": secretText, "nickname": secretNickname,
	})
}

// mustNotHold fails for every secret that is in one of the places.
func mustNotHold(t *testing.T, places, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		for place, held := range places {
			for line := range strings.Lines(held) {
				if strings.Contains(line, secret) {
					t.Errorf("%s in the %s: %.400s", what, place, line)
					break
				}
			}
		}
	}
}

// badRequests does what clients do wrong, with secrets in it; every answer must be a refusal that does not repeat them.
func badRequests(t *testing.T, r *running, token string) {
	t.Helper()
	for _, tt := range []struct {
		method, path, key, body string
		want                    int
	}{
		{"GET", "/management/rooms", wrongKey, "", 401},
		{"GET", "/management/sync/rooms", wrongKey, "", 401},
		{"POST", "/management/rooms", secretKey, `{"room_name":` + secretText, 400},
		{"POST", "/management/rooms", secretKey, `{"room_name":["` + secretText + `"]}`, 400},
		{"POST", "/management/rooms", secretKey, `{"room_name":"` + strings.Repeat(secretText, 100) + `"}`, 400},
		{"POST", "/management/rooms", secretKey, strings.Repeat(secretText, 200_000), 413},
		{"POST", "/management/rooms/lobby/system-message", secretKey, `{"content":"` + strings.Repeat(secretText, 10_000) + `"}`, 400},
		{"POST", "/management/rooms/lobby/system-message", secretKey, `{"content":""}`, 400},
		{"POST", "/management/rooms/nowhere/system-message", secretKey, `{"content":"` + secretText + `"}`, 404},
		{"GET", "/management/sync/chat-history/lobby?limit=0&from=" + secretText, secretKey, "", 400},
		{"GET", "/ws/rooms/lobby?token=" + secretQuery, "", "", 401},
		{"GET", "/ws/rooms/lobby?user_id=other&token=" + token, "", "", 403},
		{"GET", "/ws/rooms/nowhere?token=" + token, "", "", 404},
		{"GET", "/ws/rooms/lobby?token=" + token, "", "", 426}, // no WebSocket handshake
	} {
		key := r.key
		r.key = tt.key
		code, body, _ := r.call(tt.method, tt.path, tt.body)
		r.key = key
		if code != tt.want {
			t.Errorf("%s %.60s: %d %.200s, want %d", tt.method, tt.path, code, body, tt.want)
		}
		for _, secret := range []string{secretText, secretKey, wrongKey, secretQuery, token} {
			if strings.Contains(body, secret) {
				t.Errorf("%s %.60s: the answer repeats what was sent: %.300s", tt.method, tt.path, body)
			}
		}
	}
}

// badCommands does likewise on a connection.
func badCommands(t *testing.T, r *running) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{URL: r.base, Room: "lobby", Token: tokenFor("eve", secretJWT), Acks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	for kind, payload := range map[string]any{
		secretText: map[string]any{}, "KickUser": map[string]any{"user_id": []string{secretText}}, "History": map[string]any{"limit": secretText},
		"CustomEvent": map[string]any{"event_type": strings.Repeat(secretText, 100), "payload": secretText},
	} {
		if _, _, err := c.Do(ctx, kind, payload); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, content := range []string{"", strings.Repeat(secretText, 10_000)} {
		if _, err := c.Send(ctx, content); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("%d bytes: %v", len(content), err)
		}
	}
}

func scrape(t *testing.T, r *running) string {
	t.Helper()
	res, err := http.Get((&url.URL{Scheme: "http", Host: r.p.metrics.Addr().String(), Path: "/metrics"}).String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) == 0 {
		t.Fatalf("metrics: %d bytes, %v", len(body), err)
	}
	return string(body)
}
