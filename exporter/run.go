package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"splitsync/internal/config"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/service"
)

// Config holds the settings of the stand-alone role.
type Config struct {
	config.Common
	Kafka          kafkalog.Config
	ClickHouse     history.Config
	Callbacks      Callbacks
	MetricsAddress string `env:"METRICS_ADDRESS" envDefault:"127.0.0.1:9463" help:"where /metrics, /livez and /readyz are served; off = nowhere"`
}

// Run is the stand-alone role: it opens Kafka, and ClickHouse if a stream needs it, waiting for them, and exports until ctx ends; then it
// lets requests in flight end, and leaves nothing running. It fails for what a restart could mend.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	reg, health := metrics.NewRegistry(cfg.Callbacks.Version), metrics.NewHealth()
	health.NotReady("exporter", "starting")
	group, ctx := service.NewGroup(ctx)
	group.Go("serve metrics", func(ctx context.Context) error {
		return metrics.Serve(ctx, cfg.MetricsAddress, reg, health, log)
	})
	group.Go("export", func(ctx context.Context) error { return export(ctx, cfg, reg, health, log) })
	err := group.Wait()
	if ctx.Err() != nil && err == nil {
		return nil
	}
	return err
}

func export(ctx context.Context, cfg Config, reg *metrics.Registry, health *metrics.Health, log *slog.Logger) error {
	k, err := kafkalog.OpenChecked(ctx, cfg.Kafka, log)
	if err != nil {
		return err
	}
	defer func() { _ = k.Close() }()
	deps := Deps{Kafka: k, Metrics: reg, Spool: filepath.Join(cfg.DataDir, "spool")}
	if cfg.Callbacks.NeedsHistory() {
		store, err := history.OpenChecked(ctx, cfg.ClickHouse, log)
		if err != nil {
			return fmt.Errorf("open history: %w", err)
		}
		defer func() { _ = store.Close() }()
		deps.History = store
	}
	e, err := New(ctx, cfg.Callbacks, deps, log)
	if err != nil {
		return err
	}
	health.Ready("exporter")
	return e.Run(ctx)
}
