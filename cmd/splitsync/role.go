package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"
)

// leveled is every role's Config: it embeds config.Common.
type leveled interface {
	Level() slog.Level
}

// roleCommand runs one role as its own process until a signal asks it to drain.
func roleCommand[C leveled](a *app, name, short string, run func(context.Context, C, *slog.Logger) error) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cfg C
			if err := a.load(&cfg); err != nil {
				return err
			}
			return run(cmd.Context(), cfg, a.logger(cfg.Level()).With("role", name))
		},
	}
}
