package apachekafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"splitsync/internal/devstack"
)

// startWait bounds the start of a cluster.
const startWait = 60 * time.Second

// Config says what to start.
type Config struct {
	Jars  string // the folder that Fetch returned
	Dir   string // an empty folder for data, configs and the brokers' output
	Nodes int    // 1 or 3; of three, topics may have 3 replicas and one node may die. 0 = 1
}

// Cluster is a running cluster; every node is broker and controller.
type Cluster struct{ nodes []*Node }

// Start formats and starts a cluster on free ports of 127.0.0.1 and returns when every node answers (3 to 6 s).
// It leaves nothing running when it fails.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("no java on PATH: the tests on Apache Kafka need Java 17")
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	c, err := newCluster(cfg, java)
	if err != nil {
		return nil, fmt.Errorf("apache kafka: %w", err)
	}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("apache kafka: %w", errors.Join(err, c.Stop()))
	}
	return c, nil
}

// newCluster writes the files of every node.
func newCluster(cfg Config, java string) (*Cluster, error) {
	count := max(cfg.Nodes, 1)
	ports, err := devstack.FreePorts(2 * count)
	if err != nil {
		return nil, err
	}
	logging, err := files.ReadFile("log4j2.xml")
	if err != nil {
		return nil, err
	}
	loggingPath := filepath.Join(cfg.Dir, "log4j2.xml")
	if err := os.WriteFile(loggingPath, logging, 0o600); err != nil {
		return nil, err
	}
	var voters []string
	for id := range count {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", id+1, ports[2*id+1]))
	}
	c := &Cluster{}
	for id := range count {
		n := &Node{
			id: id + 1, addr: fmt.Sprintf("127.0.0.1:%d", ports[2*id]),
			dir: filepath.Join(cfg.Dir, fmt.Sprintf("node-%d", id+1)), java: java,
			base: []string{"-cp", filepath.Join(cfg.Jars, "*"), "-Dlog4j2.configurationFile=" + loggingPath},
		}
		if err := os.MkdirAll(n.dir, 0o700); err != nil {
			return nil, err
		}
		text := properties(n, ports[2*id+1], voters)
		if err := os.WriteFile(n.configPath(), []byte(text), 0o600); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// properties is a node's server.properties: quick group joins and elections, and the embedded broker's habits otherwise.
func properties(n *Node, controllerPort int, voters []string) string {
	replicas := len(voters)
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n.id),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d", n.addr, controllerPort),
		"advertised.listeners=PLAINTEXT://" + n.addr,
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=" + filepath.Join(n.dir, "data"),
		fmt.Sprintf("default.replication.factor=%d", replicas),
		fmt.Sprintf("offsets.topic.replication.factor=%d", replicas),
		"offsets.topic.num.partitions=1",
		fmt.Sprintf("transaction.state.log.replication.factor=%d", replicas),
		fmt.Sprintf("transaction.state.log.min.isr=%d", max(1, replicas-1)),
		fmt.Sprintf("min.insync.replicas=%d", max(1, replicas-1)),
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=1000",
		"auto.create.topics.enable=false",
		"log.cleaner.backoff.ms=1000",
		"log.retention.check.interval.ms=1000",
	}
	if replicas > 1 {
		lines = append(lines, "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500",
			"controller.quorum.fetch.timeout.ms=1000", "controller.quorum.election.timeout.ms=500")
	}
	return strings.Join(lines, "\n") + "\n"
}

// start formats every node, starts them all and waits for each.
func (c *Cluster) start(ctx context.Context) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	id[0] &= 0x7f        // else one text in 64 begins with a dash, and the format tool takes it for an option
	clusterID := base64.RawURLEncoding.EncodeToString(id)
	for _, n := range c.nodes {
		if err := n.format(ctx, clusterID); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.launch(); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Addrs are the nodes' addresses (host:port).
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.addr)
	}
	return addrs
}

// Node returns a node, counted from 0 in the order of Addrs; its Kafka node id is one more.
func (c *Cluster) Node(i int) *Node { return c.nodes[i] }

// Stop ends a single node in good order, or kills it when that takes more than 15 s. Several nodes are killed: the last of
// them could not leave in good order, having no quorum left. It may be called again.
func (c *Cluster) Stop() error {
	if len(c.nodes) == 1 {
		return c.nodes[0].Stop()
	}
	for _, n := range c.nodes {
		n.Kill9()
	}
	return nil
}

// ForTest fetches Kafka if need be, and starts a cluster that ends with the test.
func ForTest(tb testing.TB, nodes int) *Cluster {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	jars, err := Fetch(ctx, "", func(line string) { tb.Log(line) })
	if err != nil {
		tb.Fatal(err)
	}
	c, err := Start(ctx, Config{Jars: jars, Dir: tb.TempDir(), Nodes: nodes})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Stop(); err != nil {
			tb.Error(err)
		}
	})
	return c
}
