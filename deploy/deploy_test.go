// Package deploy_test holds the files for deployment against the code: no container engine is needed, every variable, port, command and path in
// docker-compose.yml, Dockerfile, nginx.conf, prometheus.yml and production.env must exist.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// variablesOf are the variables of other people's images that docker-compose.yml may set.
func variablesOf() map[string][]string {
	return map[string][]string{
		"apache/kafka": {
			"CLUSTER_ID", "KAFKA_NODE_ID", "KAFKA_PROCESS_ROLES", "KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_LISTENER_NAMES",
			"KAFKA_INTER_BROKER_LISTENER_NAME", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_LOG_DIRS",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR",
			"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "KAFKA_AUTO_CREATE_TOPICS_ENABLE", "KAFKA_OFFSETS_RETENTION_MINUTES",
		},
		"clickhouse/clickhouse-server": {"CLICKHOUSE_DB", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD"},
		"nginx":                        {},
		"prom/prometheus":              {},
		"grafana/grafana":              {"GF_SECURITY_ADMIN_PASSWORD"},
	}
}

// portsOf are the ports of other people's images.
func portsOf() map[string][]string {
	return map[string][]string{
		"apache/kafka": {"9092", "9093"}, "clickhouse/clickhouse-server": {"8123", "9000"},
		"nginx":           {"3000"}, // deploy/nginx.conf
		"prom/prometheus": {"9090"}, "grafana/grafana": {"3000"},
	}
}

// ours says whether a service runs our image.
func ours(s types.ServiceConfig) bool { return imageName(s) == "splitsync" }

func imageName(s types.ServiceConfig) string {
	name, _, _ := strings.Cut(s.Image, ":")
	return name
}

// value is a variable of a service, or empty.
func value(s types.ServiceConfig, key string) string {
	if v := s.Environment[key]; v != nil {
		return *v
	}
	return ""
}

// load parses the compose file as compose does, with secrets made by make-secrets.sh, in a copy of the folder.
func load(t *testing.T) *types.Project {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	secrets := filepath.Join(dir, "deploy", "secrets")
	if err := os.RemoveAll(secrets); err != nil { // those of a developer
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", filepath.Join(dir, "deploy", "make-secrets.sh")).CombinedOutput(); err != nil {
		t.Fatalf("make-secrets.sh: %v\n%s", err, out)
	}
	compose := filepath.Join(dir, "docker-compose.yml")
	copyFile(t, "../docker-compose.yml", compose)
	opts, err := cli.NewProjectOptions([]string{compose}, cli.WithWorkingDirectory(dir), cli.WithProfiles([]string{"monitoring"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := opts.LoadProject(t.Context())
	if err != nil {
		t.Fatalf("parse docker-compose.yml: %v", err)
	}
	return project
}

func TestComposeHasTheServices(t *testing.T) {
	project, code := load(t), readSource(t)
	want := []string{"clickhouse", "exporter", "gateway", "grafana", "ingest", "kafka", "migrate", "prometheus", "proxy", "syncapi"}
	if got := slices.Sorted(slices.Values(project.ServiceNames())); !slices.Equal(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
	for name, s := range project.Services {
		if ours(s) {
			if len(s.Command) != 1 || s.Command[0] != name || !code.commands[name] {
				t.Errorf("service %s: command %v is not the subcommand %s of cmd/splitsync", name, s.Command, name)
			}
			continue
		}
		if _, known := variablesOf()[imageName(s)]; !known {
			t.Errorf("service %s: nothing is known about the image %s", name, s.Image)
		}
		if !regexp.MustCompile(`:[v0-9]+\.[0-9.]+(-alpine)?$`).MatchString(s.Image) {
			t.Errorf("service %s: the image %s has no version", name, s.Image)
		}
	}
}

func TestComposeVariablesExist(t *testing.T) {
	code := readSource(t)
	for name, s := range load(t).Services {
		for key := range s.Environment {
			if ours(s) && !code.knows(key) {
				t.Errorf("service %s: no setting of the code is called %s", name, key)
			}
			if !ours(s) && !slices.Contains(variablesOf()[imageName(s)], key) {
				t.Errorf("service %s: %s is not in the list of variables of %s", name, key, s.Image)
			}
		}
	}
}

func TestComposePortsExist(t *testing.T) {
	code, project := readSource(t), load(t)
	for name, s := range project.Services {
		good := func(port string) bool {
			return ours(s) && code.ports[port] || slices.Contains(portsOf()[imageName(s)], port)
		}
		for _, p := range s.Ports {
			if port := number(p.Target); !good(port) {
				t.Errorf("service %s: nothing listens on port %s", name, port)
			}
		}
		for _, key := range []string{"BIND_ADDRESS", "METRICS_ADDRESS"} {
			if v := value(s, key); v != "" && !good(after(v)) {
				t.Errorf("service %s: %s=%s has not the port of a default in the code", name, key, v)
			}
		}
		if ours(s) {
			for key, server := range map[string]string{"KAFKA_BROKERS": "kafka", "CLICKHOUSE_ADDR": "clickhouse"} {
				host, port, _ := strings.Cut(value(s, key), ":")
				if host != server || !slices.Contains(portsOf()[imageName(project.Services[server])], port) {
					t.Errorf("service %s: %s=%s is not where the service %s listens", name, key, value(s, key), server)
				}
			}
		}
	}
	if got := project.Services["proxy"].Ports[0].Published; got != "3000" {
		t.Errorf("the proxy is published on port %s, want 3000, as `splitsync up` has it", got)
	}
}

func TestComposeHealthIsWaitedFor(t *testing.T) {
	project := load(t)
	for name, s := range project.Services {
		for on, d := range s.DependsOn {
			switch target := project.Services[on]; {
			case d.Condition == types.ServiceConditionHealthy && target.HealthCheck == nil:
				t.Errorf("service %s waits for the health of %s, which has no check", name, on)
			case d.Condition == types.ServiceConditionCompletedSuccessfully && target.Restart != "no":
				t.Errorf("service %s waits for the end of %s, which is restarted", name, on)
			}
		}
		if !ours(s) || name == "migrate" {
			continue
		}
		if s.DependsOn["migrate"].Condition != types.ServiceConditionCompletedSuccessfully {
			t.Errorf("service %s does not wait for migrate", name)
		}
		port := after(value(s, "METRICS_ADDRESS"))
		if url := s.HealthCheck.Test[len(s.HealthCheck.Test)-1]; url != "http://127.0.0.1:"+port+"/readyz" {
			t.Errorf("service %s: health is asked at %s, but METRICS_ADDRESS has port %s", name, url, port)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("service %s may write its file system or has capabilities", name)
		}
	}
}

func TestComposePathsExist(t *testing.T) {
	project := load(t)
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				exists(t, "service "+name, v.Source)
			} else if _, ok := project.Volumes[v.Source]; !ok {
				t.Errorf("service %s: the volume %s is not declared", name, v.Source)
			}
		}
		if s.Build != nil {
			exists(t, "service "+name, filepath.Join("..", s.Build.Dockerfile))
		}
	}
}

func TestNoSecretIsCommitted(t *testing.T) {
	code := readSource(t)
	for _, path := range []string{"production.env", "compose.env", "Dockerfile", "../docker-compose.yml"} {
		for _, m := range regexp.MustCompile(`(?m)^[\s-]*([A-Z][A-Z0-9_]+)(?:=|:\s+)["']?(.+)$`).FindAllStringSubmatch(read(t, path), -1) {
			if code.secret(m[1]) || regexp.MustCompile(`PASSWORD|SECRET|API_KEY`).MatchString(m[1]) {
				t.Errorf("%s sets %s", path, m[1])
			}
		}
	}
	project := load(t)
	for service, key := range map[string]string{
		"gateway": "GATEWAY_JWT_SECRET", "syncapi": "ADMIN_API_KEY", "exporter": "CALLBACK_SIGNING_SECRETS", "clickhouse": "CLICKHOUSE_PASSWORD",
		"ingest": "CLICKHOUSE_PASSWORD", "grafana": "GF_SECURITY_ADMIN_PASSWORD",
	} {
		if len(value(project.Services[service], key)) < 32 {
			t.Errorf("make-secrets.sh makes no %s of 32 characters for %s", key, service)
		}
	}
	if value(load(t).Services["syncapi"], "ADMIN_API_KEY") == value(project.Services["syncapi"], "ADMIN_API_KEY") {
		t.Error("make-secrets.sh makes the same key twice")
	}
}
