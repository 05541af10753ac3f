// Package up is the whole product in one process: the four roles, and, where the user names no servers, an embedded Kafka-protocol broker and
// an embedded ClickHouse with all their data in DATA_DIR. It promises that every route is on one address, that a restart continues from
// DATA_DIR with nothing lost, also after kill -9, and that the end takes no longer than 15 s.
package up

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"splitsync/exporter"
	"splitsync/gateway"
	"splitsync/ingest"
	"splitsync/internal/devstack"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
	"splitsync/internal/metrics"
	"splitsync/internal/service"
	"splitsync/syncapi"
)

// process is one running up.
type process struct {
	cfg Config
	log *slog.Logger
	out io.Writer

	dir     *devstack.DataDir
	servers *servers
	klog    *kafkalog.Log
	store   *history.Store
	reg     *metrics.Registry
	health  *metrics.Health
	metrics net.Listener // nil: off

	gateway  *gateway.Server
	ingest   *ingest.Server
	exporter *exporter.Exporter
	sync     *syncapi.Server
}

// Run starts everything, tells on out where things are, and serves until ctx ends; then it drains and stops all, the servers last. An error
// is one line that says what to do.
func Run(ctx context.Context, cfg Config, out io.Writer, log *slog.Logger) error {
	return newProcess(cfg, out, log).run(ctx)
}

func newProcess(cfg Config, out io.Writer, log *slog.Logger) *process {
	return &process{cfg: cfg, log: log, out: out, reg: metrics.NewRegistry(service.Version()), health: metrics.NewHealth()}
}

func (p *process) run(ctx context.Context) (err error) {
	cfg, log := p.cfg, p.log
	if p.dir, err = devstack.OpenDataDir(cfg.Gateway.DataDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.dir.Close()) }()
	free, err := p.dir.FreeBytes()
	if err != nil {
		return err
	}
	if err := checkFree(p.dir.Path(), free, log); err != nil {
		return err
	}
	if err := p.makeSecrets(); err != nil {
		return err
	}
	ln, err := service.Listen(ctx, cfg.Gateway.BindAddress, "BIND_ADDRESS")
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }()
	if p.metrics, err = metrics.Listen(ctx, cfg.Gateway.MetricsAddress); err != nil {
		return err
	}
	if p.metrics != nil {
		defer func() { _ = p.metrics.Close() }()
	}
	if p.servers, err = startServers(ctx, cfg, p.dir, log, func(line string) { fmt.Fprintln(p.out, line) }); err != nil {
		return err
	}
	defer p.servers.stop(ctx)
	closeStores, err := p.openStores(ctx)
	defer closeStores()
	if err != nil {
		return err
	}
	if err := p.openRoles(ctx); err != nil {
		return err
	}
	return p.serve(ctx, ln)
}

// openStores connects to the log and the history and migrates both.
func (p *process) openStores(ctx context.Context) (closeAll func(), err error) {
	closeAll = func() {
		if p.store != nil {
			_ = p.store.Close()
		}
		if p.klog != nil {
			_ = p.klog.Close()
		}
	}
	if p.klog, err = kafkalog.Open(ctx, p.cfg.Gateway.Kafka, p.log); err != nil {
		return closeAll, err
	}
	if err := p.klog.Migrate(ctx); err != nil {
		return closeAll, err
	}
	if p.store, err = history.Open(ctx, p.cfg.Ingest.ClickHouse, p.log); err != nil {
		return closeAll, err
	}
	return closeAll, p.store.Migrate(ctx)
}

// openRoles makes the four roles. The gateway comes last: its producers are closed by its Run.
func (p *process) openRoles(ctx context.Context) (err error) {
	if p.ingest, err = ingest.New(ctx, p.cfg.Ingest, ingest.Deps{Log: p.klog, History: p.store, Metrics: p.reg}, p.role("ingest")); err != nil {
		return err
	}
	p.exporter, err = exporter.New(ctx, p.cfg.Exporter.Callbacks, exporter.Deps{
		Kafka: p.klog, History: p.store, Metrics: p.reg, Spool: p.dir.Path("spool"),
	}, p.role("exporter"))
	if err != nil {
		return err
	}
	p.sync, err = syncapi.New(ctx, p.cfg.Sync, syncapi.Deps{Log: p.klog, History: p.store, Metrics: p.reg, Health: p.health}, p.role("syncapi"))
	if err != nil {
		return err
	}
	p.gateway, err = gateway.New(ctx, p.cfg.Gateway, gateway.Deps{
		Log: p.klog, Metrics: p.reg, Health: p.health, FreeBytes: p.dir.FreeBytes, Verbose: p.verbose,
	}, p.role("gateway"))
	return err
}

func (p *process) role(name string) *slog.Logger { return p.log.With("role", name) }

// verbose adds to the health what the gateway alone does not know.
func (p *process) verbose(ctx context.Context) map[string]any {
	out := map[string]any{"clickhouse": "ok"}
	if p.store.Ping(ctx) != nil {
		out["clickhouse"], out["status"] = "unreachable", "degraded"
	}
	callbacks := map[string]any{}
	for stream, st := range p.exporter.Status() {
		callbacks[string(stream)] = map[string]any{"state": st.State, "last_error": st.LastError, "lag": st.Lag}
	}
	out["callbacks"] = callbacks
	return out
}

// serve runs the roles in two stages: clients first, so that what they still send is drained into the log, then what reads the log.
func (p *process) serve(ctx context.Context, ln net.Listener) error {
	back, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	readers, rctx := service.NewGroup(back)
	readers.Go("ingest", p.ingest.Run)
	readers.Go("exporter", p.exporter.Run)
	readers.Go("syncapi", p.sync.Run)
	readers.Go("clickhouse", p.servers.watch)
	readers.Go("metrics", func(ctx context.Context) error {
		return metrics.ServeOn(ctx, p.metrics, p.reg, p.health, p.log)
	})
	front, stopFront := context.WithCancel(ctx)
	defer stopFront()
	stop := context.AfterFunc(rctx, stopFront) // a reader that failed ends all
	defer stop()

	router := httpapi.Responder{Log: p.log}.Router()
	router.Use(p.gateway.Origins().CORS)
	p.gateway.Routes(router)
	p.sync.Routes(router)
	clients, _ := service.NewGroup(front)
	clients.Go("gateway", p.gateway.Run)
	clients.Go("http", func(ctx context.Context) error {
		p.waitReady(ctx) // whoever connects before waits for the answer, instead of getting 503
		return service.Serve(ctx, ln, router, service.ServeOptions{Log: p.log, ShutdownTimeout: stopWithin})
	})
	clients.Go("banner", func(ctx context.Context) error {
		if p.waitReady(ctx) {
			p.banner(ln.Addr())
		}
		return nil
	})
	err := clients.Wait()
	stopBack()
	return errors.Join(err, readers.Wait())
}

// makeSecrets fills in the API key and the signing secret that the user did not give, from DATA_DIR.
func (p *process) makeSecrets() error {
	if p.cfg.makeKey {
		key, err := p.dir.Secret("api-key", func() (string, error) { return hex.EncodeToString(random(16)), nil })
		if err != nil {
			return err
		}
		p.cfg.Gateway.AdminAPIKeys = []string{key}
	}
	if p.cfg.makeSecret {
		secret, err := p.dir.Secret("callback-signing-secret", func() (string, error) {
			return "whsec_" + base64.StdEncoding.EncodeToString(random(24)), nil
		})
		if err != nil {
			return err
		}
		p.cfg.Exporter.Callbacks.Secrets = []string{secret}
	}
	p.cfg.Sync.AdminAPIKeys = p.cfg.Gateway.AdminAPIKeys
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
