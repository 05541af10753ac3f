package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/exporter"
	"splitsync/internal/service"
)

func exporterCommand(a *app) *cobra.Command {
	return roleCommand(a, "exporter", "Send what comes from Kafka to callbacks", func(ctx context.Context, cfg exporter.Config, log *slog.Logger) error {
		cfg.Callbacks.Version = service.Version()
		return exporter.Run(ctx, cfg, log)
	})
}
