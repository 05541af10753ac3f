// Command splitsync is the whole product: one subcommand a role (gateway, ingest, exporter, syncapi), up for all of them with embedded servers,
// and tools. Signals, the environment and exit codes are dealt with here and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"splitsync/internal/config"
	"splitsync/internal/devstack"
)

func main() {
	devstack.RunChildIfAsked()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks to drain; a second one ends the process at once.
	context.AfterFunc(ctx, stop)

	environ, err := config.Environ(".env")
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	a := &app{environ: environ, stdout: stdout, stderr: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	err = root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errSilent) {
		fmt.Fprintln(stderr, err)
	}
	return a.exitCode(err)
}
