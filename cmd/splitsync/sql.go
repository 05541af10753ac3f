package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"splitsync/internal/config"
	"splitsync/internal/devstack"
)

// sqlSettings say where the embedded database is.
type sqlSettings struct {
	config.Common
	Database string `env:"CLICKHOUSE_DATABASE" envDefault:"splitsync" help:"database; migrate creates it"`
}

func sqlCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "sql STATEMENT",
		Short:   "Ask the embedded ClickHouse of a running up",
		Example: `  splitsync sql "SELECT room_id, count() FROM chat_messages GROUP BY room_id FORMAT PrettyCompact"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var s sqlSettings
			if err := a.load(&s); err != nil {
				return err
			}
			addr, err := devstack.RunningClickHouse(filepath.Join(s.DataDir, "clickhouse"))
			if err != nil {
				return err
			}
			return devstack.QueryTo(cmd.Context(), addr, s.Database, args[0], a.stdout)
		},
	}
}
