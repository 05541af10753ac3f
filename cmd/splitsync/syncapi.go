package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/internal/service"
	"splitsync/syncapi"
)

func syncapiCommand(a *app) *cobra.Command {
	return roleCommand(a, "syncapi", "Serve the history by REST", func(ctx context.Context, cfg syncapi.Config, log *slog.Logger) error {
		cfg.Version = service.Version()
		return syncapi.Run(ctx, cfg, log)
	})
}
