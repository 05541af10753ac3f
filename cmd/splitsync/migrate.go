package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"splitsync/internal/config"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// migrateSettings are what migrate needs.
type migrateSettings struct {
	config.Common
	Kafka      kafkalog.Config
	ClickHouse history.Config
}

func migrateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Create and check the topics in Kafka and the tables in ClickHouse; may run again and at the same time",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s migrateSettings
			if err := a.load(&s); err != nil {
				return err
			}
			log := a.logger(s.Level())
			if err := migrateKafka(cmd.Context(), s.Kafka, log); err != nil {
				return fmt.Errorf("migrate kafka: %w", err)
			}
			if err := migrateClickHouse(cmd.Context(), s.ClickHouse, log); err != nil {
				return fmt.Errorf("migrate clickhouse: %w", err)
			}
			log.Info("migrated")
			return nil
		},
	}
}

func migrateKafka(ctx context.Context, cfg kafkalog.Config, log *slog.Logger) (err error) {
	kafka, err := kafkalog.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	return kafka.Migrate(ctx)
}

func migrateClickHouse(ctx context.Context, cfg history.Config, log *slog.Logger) (err error) {
	store, err := history.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Migrate(ctx)
}
