package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/ingest"
	"splitsync/internal/service"
)

func ingestCommand(a *app) *cobra.Command {
	return roleCommand(a, "ingest", "Store what comes from Kafka in ClickHouse, and close the sessions of gateways that died", func(ctx context.Context, cfg ingest.Config, log *slog.Logger) error {
		cfg.Version = service.Version()
		return ingest.Run(ctx, cfg, log)
	})
}
