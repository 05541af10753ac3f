// Command go is a receiver of splitsync's callbacks, with the same routes and answers as ../receiver.py.
//
//	go run ./examples/callback-receiver/go --addr 127.0.0.1:8080 --secret whsec_... --file callbacks.jsonl
//
// POST on any path stores a callback; GET /health, /rooms, /rooms/{id}, /stats. It answers 2xx only after the callback is stored (fsync with
// --file), so whatever it does not acknowledge is sent again. Bounds: a body is at most --max-body bytes (32 MiB), compressed or not; 8 bodies are in
// memory at once, 256 connections are open, 100,000 ids are remembered, and the rooms as rooms.go tells.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the flags of the command.
type options struct {
	addr    string
	secrets []string
	file    string
	maxBody int64
}

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var secretFile string
	f := flag.NewFlagSet("receiver", flag.ContinueOnError)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "host:port to listen on")
	f.StringVar(&o.file, "file", "", "JSONL file to store in; without it only the summary is kept, in memory")
	f.StringVar(&secretFile, "secret-file", "", "file with one signing secret a line (a command line can be seen by others)")
	f.Int64Var(&o.maxBody, "max-body", 32<<20, "bytes a body may have")
	f.Func("secret", "signing secret, whsec_...; several while one replaces another", func(s string) error {
		o.secrets = append(o.secrets, s)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if secretFile != "" {
		b, err := os.ReadFile(secretFile)
		if err != nil {
			return o, fmt.Errorf("read the signing secrets: %w", err)
		}
		o.secrets = append(o.secrets, strings.Fields(string(b))...)
	}
	return o, nil
}

// run serves until ctx ends, finishes the open requests, and closes the store.
func run(ctx context.Context, o options) error {
	check, err := newVerifier(o.secrets)
	if err != nil {
		return err
	}
	store, err := openStore(o.file)
	if err != nil {
		return err
	}
	defer store.close()
	inner, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	checked := fmt.Sprintf("%d signing secret(s)", len(o.secrets))
	if len(o.secrets) == 0 {
		checked = "signatures are NOT checked (no --secret)"
	}
	fmt.Printf("listening on http://%s, %s\n", inner.Addr(), checked)
	server := &http.Server{
		Handler: newReceiver(store, check, o.maxBody), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
	}
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(&boundedListener{Listener: inner, slots: make(chan struct{}, maxConnections)})
	}()
	select {
	case err = <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err = server.Shutdown(grace); err != nil {
		err = errors.Join(fmt.Errorf("finish the open requests: %w", err), server.Close())
	}
	<-served
	return err
}
