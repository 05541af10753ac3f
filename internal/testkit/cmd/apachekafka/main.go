//go:build unix

// Command apachekafka runs a command, such as `go test`, with a real Apache Kafka broker that lives as long as the command:
//
//	go run ./internal/testkit/cmd/apachekafka -- go test ./...
//
// It sets TEST_KAFKA_BROKERS for the command and exits with the command's code. It needs Java 17, and Maven the first time.
// EMBEDDED_CACHE_DIR says where the jars are kept (~/.cache/splitsync).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"splitsync/internal/testkit/apachekafka"
)

// commandWait is how long the command may take to end after a signal before it is killed.
const commandWait = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "apachekafka:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run starts the broker, runs the command and stops the broker. The command's own failure is a code, not an error.
func run(ctx context.Context, args []string) (code int, err error) {
	if len(args) < 2 || args[0] != "--" {
		return 2, errors.New("usage: apachekafka -- command [argument ...]")
	}
	jars, err := apachekafka.Fetch(ctx, os.Getenv("EMBEDDED_CACHE_DIR"), func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "splitsync-kafka-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	cluster, err := apachekafka.Start(ctx, apachekafka.Config{Jars: jars, Dir: dir})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	brokers := strings.Join(cluster.Addrs(), ",")
	fmt.Fprintln(os.Stderr, "Apache Kafka 4.3.1 on", brokers)
	return runCommand(ctx, args[1:], "TEST_KAFKA_BROKERS="+brokers)
}

// runCommand runs the command; the end of ctx asks it to end.
func runCommand(ctx context.Context, args []string, variable string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), variable)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that a signal reaches the test binaries too, and only once
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = commandWait
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}
