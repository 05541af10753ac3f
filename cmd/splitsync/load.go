package main

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"splitsync/internal/config"
	"splitsync/load"
)

func loadCommand(a *app) *cobra.Command {
	c := &cobra.Command{Use: "load", Short: "Put load on a running splitsync and prove that nothing is lost"}
	c.AddCommand(loadFileCommand(a))
	return c
}

func loadFileCommand(a *app) *cobra.Command {
	cfg := load.Config{}
	c := &cobra.Command{
		Use:   "file FILE",
		Short: "Play a chat log (JSON lines of room, user, ts in ms, text; plain, gz or zst) through WebSocket clients and make the ledger",
		Long: "Plays a chat log through WebSocket clients, one connection a user and room, and compares what was acknowledged with what members saw and\n" +
			"what the sync API has. Exit code 1 if anything was lost, doubled, changed or out of order.",
		Example: "  splitsync load file irc.jsonl.gz --api-key KEY --rooms 200",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.File = args[0]
			if cfg.APIKey == "" {
				cfg.APIKey = config.Get(a.environ, "ADMIN_API_KEY")
			}
			if cfg.Resume && cfg.RoomPrefix == "" {
				return errors.New("--resume needs the --room-prefix of the interrupted run")
			}
			a.progress(&cfg)
			ledger, err := load.Run(cmd.Context(), cfg, a.logger(0))
			if err != nil {
				return err
			}
			return a.verdict(ledger)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.URL, "url", "http://127.0.0.1:3000", "where gateway and sync API are")
	f.StringVar(&cfg.APIKey, "api-key", "", "key of the management and sync routes (default ADMIN_API_KEY)")
	playFlags(c, &cfg)
	return c
}

// playFlags are those of load file and demo.
func playFlags(c *cobra.Command, cfg *load.Config) {
	f := c.Flags()
	f.IntVar(&cfg.Rooms, "rooms", 0, "spread the users over so many rooms by hash; 0 = the rooms of the file")
	f.IntVar(&cfg.Members, "members", 40, "open connections a room; the one silent longest leaves")
	f.IntVar(&cfg.Lines, "lines", 0, "play only the first so many lines; 0 = all")
	f.Float64Var(&cfg.Rate, "rate", 0, "lines a second; 0 = as fast as acknowledged")
	f.Float64Var(&cfg.Speedup, "speedup", 0, "times the speed of the log; 0 = do not look at its times")
	f.StringVar(&cfg.RoomPrefix, "room-prefix", "", "put before every room id (default a random one)")
	f.BoolVar(&cfg.Resume, "resume", false, "go on with the interrupted run of this room prefix: leave out the lines that are stored")
	f.DurationVar(&cfg.Settle, "settle", time.Minute, "how long store, receiver and members may make no progress at the end")
}

// progress shows the run on stderr: one line that is written over on a terminal, else one every 5 s.
func (a *app) progress(cfg *load.Config) {
	cfg.Progress, cfg.ProgressEvery, cfg.ProgressEnd = a.stderr, 5*time.Second, "\n"
	if terminal(a.stderr) {
		cfg.ProgressEvery, cfg.ProgressEnd = 500*time.Millisecond, "\r"
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// verdict prints the ledger and makes the exit code.
func (a *app) verdict(l *load.Ledger) error {
	l.Print(a.stdout)
	if !l.Holds() {
		return errSilent
	}
	return nil
}
