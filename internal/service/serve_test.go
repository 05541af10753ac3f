package service

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve starts a server and returns its address and a function that ends it and gives its error.
func serve(t *testing.T, h http.Handler, o ServeOptions) (addr string, stop func() error) {
	t.Helper()
	ln, err := Listen(t.Context(), "127.0.0.1:0", "BIND_ADDRESS")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, h, o) }()
	return ln.Addr().String(), func() error { cancel(); return <-done }
}

func client(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func TestServeDrainsRunningRequests(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	addr, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request's context ended with the server's")
		}
		_, _ = io.WriteString(w, "done")
	}), ServeOptions{})
	answer := make(chan string, 1)
	go func() {
		resp, err := client(t).Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-started
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	waitRefused(t, addr)
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// waitRefused waits until addr takes no connections.
func waitRefused(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Second)
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = c.Close()
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("still listening")
		}
	}
}

func TestServeEndsRequestsAfterTheBound(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	addr, stop := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	}), ServeOptions{ShutdownTimeout: 20 * time.Millisecond})
	go func() {
		if resp, err := client(t).Get("http://" + addr); err == nil {
			resp.Body.Close()
		}
	}()
	<-started
	if err := stop(); err != nil {
		t.Error(err)
	}
	<-ended
}

func TestServeLeavesHijackedConnections(t *testing.T) {
	hijacked := make(chan net.Conn, 1)
	addr, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		hijacked <- c
	}), ServeOptions{})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	owned := <-hijacked
	defer owned.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(owned, "alive"); err != nil {
		t.Errorf("the owner's connection was closed: %v", err)
	}
}

func TestServeBoundsHeaders(t *testing.T) {
	addr, stop := serve(t, http.NotFoundHandler(), ServeOptions{MaxHeaderBytes: 1024, ReadHeaderTimeout: 20 * time.Millisecond})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
	req.Header.Set("X-Big", strings.Repeat("x", 64<<10))
	resp, err := client(t).Do(req)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\n")
	if _, err := io.ReadAll(slow); err != nil {
		t.Logf("cut: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestListenSaysWhatToDo(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0", "BIND_ADDRESS")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = Listen(t.Context(), ln.Addr().String(), "BIND_ADDRESS")
	if err == nil || !strings.Contains(err.Error(), "set BIND_ADDRESS to another address") {
		t.Errorf("taken: %v", err)
	}
	_, err = Listen(t.Context(), "127.0.0.1:port", "BIND_ADDRESS")
	if err == nil || !strings.HasPrefix(err.Error(), "BIND_ADDRESS: ") {
		t.Errorf("wrong: %v", err)
	}
}
