package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"splitsync/internal/devstack"
)

// fetchSettings say which ClickHouse up starts; up has them too.
type fetchSettings struct {
	CacheDir      string `env:"EMBEDDED_CACHE_DIR" help:"folder for the fetched ClickHouse library; without it splitsync below the user's cache folder"`
	ClickHouseBin string `env:"CLICKHOUSE_BIN" help:"clickhouse binary that up starts; without it the one on PATH, else the fetched library"`
}

func fetchCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fetch",
		Short: "Fetch what up embeds (ClickHouse, pinned); nothing to do when it is there",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s fetchSettings
			if err := a.load(&s); err != nil {
				return err
			}
			ch := devstack.ClickHouseConfig{Binary: s.ClickHouseBin, CacheDir: s.CacheDir}
			return devstack.Prepare(cmd.Context(), ch, func(line string) { fmt.Fprintln(a.stderr, line) })
		},
	}
}
