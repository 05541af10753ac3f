package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/internal/config"
	"splitsync/internal/service"
)

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1 // the command failed
	exitUsage = 2 // bad settings, unknown command, bad flag
)

// errSilent ends a command with exitFault when it has already said why.
var errSilent = errors.New("failed")

// app is what commands get from the process.
type app struct {
	environ        []string // KEY=value, .env included
	stdout, stderr io.Writer
	started        bool // the command line was understood
}

// newRoot is the command tree. Each command is one function in a file of its name.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "splitsync",
		Short:         "A chat backend whose log is the truth: WebSocket, Kafka, ClickHouse, callbacks, REST",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       service.Version(),
		PersistentPreRun: func(*cobra.Command, []string) {
			a.started = true
		},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetHelpCommand(helpCommand(a))
	root.CompletionOptions.HiddenDefaultCmd = true
	for _, command := range commands() {
		root.AddCommand(command(a))
	}
	return root
}

// commands lists every subcommand. Add a new one here.
func commands() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		upCommand,
		gatewayCommand,
		ingestCommand,
		exporterCommand,
		syncapiCommand,
		migrateCommand,
		sqlCommand,
		loadCommand,
		demoCommand,
		fetchCommand,
		versionCommand,
	}
}

// load fills a command's settings. Its error, an *config.Error, makes the exit code exitUsage.
func (a *app) load(dst any, opts ...config.Option) error {
	return config.Load(dst, a.environ, opts...)
}

// logger writes to stderr, after the notices about variables of the old server.
func (a *app) logger(level slog.Level) *slog.Logger {
	log := service.Logger(level, a.stderr)
	for _, notice := range config.Notices(a.environ) {
		log.Warn("setting of the old server", "notice", notice)
	}
	return log
}

// exitCode tells bad settings and a bad command line from a command that failed.
func (a *app) exitCode(err error) int {
	var bad *config.Error
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &bad), !a.started:
		return exitUsage
	}
	return exitFault
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.stdout, "splitsync", service.Version())
			return err
		},
	}
}
