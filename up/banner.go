package up

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// waitReady waits until every role is ready; it returns false when ctx ends first.
func (p *process) waitReady(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.health.Err() != nil {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// banner tells where things are. Secrets are shown only where up made them, once a start, for whoever tries it out.
func (p *process) banner(addr net.Addr) {
	base := "http://" + addr.String()
	lines := []string{
		"splitsync is up",
		"  chat page     " + base + "/",
		"  API           " + base + "/docs",
		"  metrics       " + p.metricsAt(),
		"  data          " + p.dir.Path(),
	}
	lines = append(lines, "  API key       "+p.shown(p.cfg.makeKey, p.cfg.Gateway.AdminAPIKeys, "api-key"))
	lines = append(lines, "  callbacks     signed with "+p.shown(p.cfg.makeSecret, p.cfg.Exporter.Callbacks.Secrets, "callback-signing-secret"))
	if p.cfg.ownKafka {
		lines = append(lines, "  Kafka         "+p.cfg.Gateway.Kafka.Brokers[0]+" (embedded)")
	} else {
		lines = append(lines, "  Kafka         "+strings.Join(p.cfg.Gateway.Kafka.Brokers, ","))
	}
	if p.cfg.ownClickHouse {
		lines = append(lines, fmt.Sprintf("  ClickHouse    %s, HTTP 127.0.0.1:%d (embedded); splitsync sql \"SELECT …\" asks it",
			p.cfg.Ingest.ClickHouse.Addr[0], p.cfg.Embedded.ClickHouseHTTP))
	} else {
		lines = append(lines, "  ClickHouse    "+strings.Join(p.cfg.Ingest.ClickHouse.Addr, ","))
	}
	if p.cfg.Gateway.Auth == "none" && !loopback(addr) {
		lines = append(lines, "  WARNING       anybody who reaches this address may chat as anybody: set GATEWAY_AUTH=jwt")
	}
	fmt.Fprintln(p.out, strings.Join(append(lines, "  Ctrl-C stops it"), "\n"))
}

func (p *process) metricsAt() string {
	if p.metrics == nil {
		return "off"
	}
	return "http://" + p.metrics.Addr().String() + "/metrics"
}

func (p *process) shown(made bool, values []string, file string) string {
	if made {
		return values[0] + "  (kept in " + p.dir.Path(file) + ")"
	}
	return "(as set)"
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
