package main

import (
	"github.com/spf13/cobra"

	"splitsync/up"
)

func upCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, with an embedded broker and an embedded ClickHouse unless others are named",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := up.Load(a.environ)
			if err != nil {
				return err
			}
			return up.Run(cmd.Context(), cfg, a.stdout, a.logger(cfg.Gateway.Level()))
		},
	}
}
