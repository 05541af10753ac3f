package ingest

import (
	"context"
	"log/slog"

	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/service"
)

// Run is the role ingest: it opens the log and the history, stores what comes, and serves metrics until ctx ends. A Kafka or ClickHouse that
// is not there yet is waited for.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	klog, err := kafkalog.OpenChecked(ctx, cfg.Kafka, log)
	if err != nil {
		return err
	}
	defer func() { _ = klog.Close() }()
	store, err := history.OpenChecked(ctx, cfg.ClickHouse, log)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	reg, health := metrics.NewRegistry(cfg.Version), metrics.NewHealth()
	s, err := New(ctx, cfg, Deps{Log: klog, History: store, Metrics: reg, Health: health}, log)
	if err != nil {
		return err
	}
	return service.Run(ctx, map[string]func(context.Context) error{
		"ingest":  s.Run,
		"metrics": func(ctx context.Context) error { return metrics.Serve(ctx, cfg.MetricsAddress, reg, health, log) },
	})
}
