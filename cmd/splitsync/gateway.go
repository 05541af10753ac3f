package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/gateway"
	"splitsync/internal/service"
)

func gatewayCommand(a *app) *cobra.Command {
	return roleCommand(a, "gateway", "Serve WebSocket clients and the management API", func(ctx context.Context, cfg gateway.Config, log *slog.Logger) error {
		cfg.Version = service.Version()
		return gateway.Run(ctx, cfg, log)
	})
}
