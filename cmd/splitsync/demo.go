package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"splitsync/internal/service"
	"splitsync/load"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	play    load.Config
	kafka   string
	dataDir string
	verbose bool
}

func demoCommand(a *app) *cobra.Command {
	o := &demoOptions{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Start an up of its own, play a chat log through it, and show that everything arrived everywhere, once and in order",
		Long: "Starts an up with a temporary DATA_DIR on free ports, with callbacks to a receiver in this process, plays a chat log into it, waits until\n" +
			"everything is stored and delivered, prints the ledger and stops all. Exit code 1 if the ledger does not hold.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ledger, err := a.demo(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.verdict(ledger)
		},
	}
	f := c.Flags()
	f.StringVar(&o.play.File, "file", "../shared/data/irc.jsonl.gz", "chat log: JSON lines of room, user, ts in ms, text; plain, gz or zst")
	f.StringVar(&o.kafka, "kafka", "", "host:port of an existing Kafka, instead of the embedded broker")
	f.StringVar(&o.dataDir, "data-dir", "", "keep all state here, so that a demo that was killed can be resumed (default a temporary folder)")
	f.BoolVar(&o.verbose, "verbose", false, "show what up logs, from level info")
	playFlags(c, &o.play)
	return c
}

// demo runs up as a child, so that it can be measured and killed on its own, and plays into it.
func (a *app) demo(ctx context.Context, o *demoOptions) (_ *load.Ledger, err error) {
	if o.play.Resume && (o.play.RoomPrefix == "" || o.dataDir == "") {
		return nil, errors.New("--resume needs the --data-dir and the --room-prefix of the interrupted demo")
	}
	if _, err := os.Stat(o.play.File); err != nil {
		return nil, fmt.Errorf("chat log: %w: give one with --file", err)
	}
	if o.play.RoomPrefix == "" {
		o.play.RoomPrefix = load.NewPrefix()
	}
	home, remove, err := o.home()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	secret, err := demoSecret(filepath.Join(home, "demo-secret"))
	if err != nil {
		return nil, err
	}
	receiver, err := load.NewReceiver(secret)
	if err != nil {
		return nil, err
	}
	if err := receiver.Keep(filepath.Join(home, "demo-received")); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	ln, err := service.Listen(ctx, "127.0.0.1:0", "receiver")
	if err != nil {
		return nil, err
	}
	var ledger *load.Ledger
	run, stop := context.WithCancel(context.WithoutCancel(ctx)) // the receiver outlives up
	defer stop()
	serving, _ := service.NewGroup(run)
	serving.Go("receiver", func(ctx context.Context) error { return service.Serve(ctx, ln, receiver, service.ServeOptions{}) })
	ledger, err = a.demoRun(ctx, o, home, secret, ln.Addr(), receiver)
	stop()
	return ledger, errors.Join(err, serving.Wait())
}

// home is the folder of the demo; remove forgets it unless the user named it.
func (o *demoOptions) home() (dir string, remove func() error, err error) {
	if o.dataDir != "" {
		dir, err = filepath.Abs(o.dataDir)
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		return dir, func() error { return nil }, err
	}
	dir, err = os.MkdirTemp("", "splitsync-demo-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

func (a *app) demoRun(ctx context.Context, o *demoOptions, home, secret string, receiver net.Addr, r http.Handler) (*load.Ledger, error) {
	up, err := a.startDemoUp(ctx, o, home, secret, receiver.String())
	if err != nil {
		return nil, err
	}
	o.play.URL, o.play.APIKey = up.url, up.key
	o.play.Receiver, _ = r.(*load.Receiver)
	a.progress(&o.play)
	fmt.Fprintf(a.stderr, "demo: up at %s (key %s), data in %s; rooms %s*\n", up.url, up.key, home, o.play.RoomPrefix)
	playing, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-up.exited:
			cancel()
		case <-playing.Done():
		}
	}()
	ledger, err := load.Run(playing, o.play, a.logger(0))
	cancel()
	if fault := up.stop(); fault != nil {
		err = errors.Join(err, fault)
	}
	if err == nil {
		fmt.Fprintf(a.stderr, "demo: up used %.1f s of CPU time, user and system, ClickHouse included\n", up.cpu().Seconds())
	}
	return ledger, err
}
