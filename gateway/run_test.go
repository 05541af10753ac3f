package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"splitsync/event"
	"splitsync/gateway"
	"splitsync/internal/config"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

func TestResumeAfterARestart(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	first := start(t, cfg, nil)
	room := first.room()
	ann := first.join(room, "ann")
	one := ann.say("one", "m-1")
	two := ann.say("two", "m-2")
	first.end()
	second := start(t, cfg, nil)
	back := second.joinAs(room, "ann", fmt.Sprintf("&since=%d", one.Seq), true)
	if m := back.message(); !back.welcome.Recovered || m.Seq != two.Seq || m.PrevSeq != one.Seq {
		t.Errorf("welcome %+v, message %+v", back.welcome, m)
	}
	if again := back.say("two", "m-2"); !again.Duplicate || again.Seq != two.Seq || again.MessageID != two.MessageID {
		t.Errorf("a retry after the restart: %+v, was %+v", again, two)
	}
	if three := back.say("three", ""); three.Seq <= two.Seq {
		t.Errorf("seq went back: %+v", three)
	}
}

func TestTheRoleServesAndDrains(t *testing.T) {
	cfg := openLog(t, testkit.Kafka(t))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ports, err := devstack.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	web, probes := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	done := make(chan error, 1)
	go func() {
		done <- gateway.Run(ctx, gateway.Config{
			Web: config.Web{AdminAPIKeys: []string{apiKey}}, Kafka: cfg, Auth: "none", BindAddress: web, MetricsAddress: probes,
		}, testkit.Log(t))
	}()
	testkit.Eventually(t, soon, func() error {
		if code, body := get("http://" + probes + "/readyz"); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	for url, want := range map[string]string{
		"http://" + web + "/": "<title>splitsync chat</title>", "http://" + web + "/management/health": "OK",
		"http://" + web + "/management/rooms": "API key", "http://" + web + "/nowhere": "no such route",
		"http://" + probes + "/metrics": "splitsync_gateway_connections 0",
	} {
		if _, body := get(url); !strings.Contains(body, want) {
			t.Errorf("%s: %.200s", url, body)
		}
	}
	res, err := http.DefaultClient.Do(withKey(t, "http://"+web+"/management/rooms", `{"room_id":"lobby"}`))
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("create: %v %v", res, err)
	}
	_ = res.Body.Close()
	n := &node{t: t, http: &httptest.Server{URL: "http://" + web}}
	ann := n.join("lobby", "ann")
	ann.say("through every middleware", "")
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if code := ann.closed(); code != int(event.CloseDraining) {
		t.Errorf("closed with %d", code)
	}
	if err := <-done; err != nil {
		t.Errorf("role: %v", err)
	}
}

// get returns the status and body of a route, or 0 and the error.
func get(url string) (int, string) {
	res, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

func withKey(t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	return req
}
