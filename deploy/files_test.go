package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func TestProductionSettingsExist(t *testing.T) {
	code, text := readSource(t), read(t, "production.env")
	set := regexp.MustCompile(`(?m)^#?([A-Z][A-Z0-9_]*)=(.*)$`).FindAllStringSubmatch(text, -1)
	if len(set) < 30 {
		t.Fatalf("only %d settings found in production.env", len(set))
	}
	seen := map[string]bool{}
	for _, m := range set {
		if !code.knows(m[1]) {
			t.Errorf("production.env: no setting of the code is called %s", m[1])
		}
		if allowed := code.oneof[m[1]]; allowed != nil && !slices.Contains(allowed, m[2]) {
			t.Errorf("production.env: %s=%s, allowed are %v", m[1], m[2], allowed)
		}
		if seen[m[1]] {
			t.Errorf("production.env: %s is there twice", m[1])
		}
		seen[m[1]] = true
	}
}

func TestProductionValues(t *testing.T) {
	got, err := dotenv.Read("production.env")
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"CALLBACK_MAX_RETRIES": "5", "CALLBACK_RETRY_DELAY_SECONDS": "10", "CALLBACK_TIMEOUT_SECONDS": "60",
		"CHAT_HISTORY_BATCH_SIZE": "2000", "CHAT_HISTORY_BATCH_INTERVAL_SECONDS": "600",
		"SESSION_HISTORY_BATCH_SIZE": "1000", "SESSION_HISTORY_BATCH_INTERVAL_SECONDS": "1200",
		"GATEWAY_AUTH": "jwt",
	} {
		if got[key] != want {
			t.Errorf("production.env: %s=%s, want %s", key, got[key], want)
		}
	}
	kafka := value(load(t).Services["kafka"], "KAFKA_OFFSETS_RETENTION_MINUTES")
	minutes, err := strconv.Atoi(kafka)
	if err != nil {
		t.Fatal(err)
	}
	if hours, err := strconv.Atoi(got["KAFKA_RETENTION_HOURS"]); err != nil || minutes < hours*60 {
		t.Errorf("Kafka forgets positions after %d minutes, records after %s hours", minutes, got["KAFKA_RETENTION_HOURS"])
	}
}

func TestDockerfile(t *testing.T) {
	code, text := readSource(t), strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-].*)$`).FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		for _, from := range words[:len(words)-1] {
			exists(t, "Dockerfile", filepath.Join("..", from))
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ENV (\w+)=`).FindAllStringSubmatch(text, -1) {
		if !code.knows(m[1]) {
			t.Errorf("Dockerfile: no setting of the code is called %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^EXPOSE (.*)$`).FindAllStringSubmatch(text, -1) {
		for _, port := range strings.Fields(m[1]) {
			if !code.ports[port] {
				t.Errorf("Dockerfile: port %s is no default of the code", port)
			}
		}
	}
	for _, m := range regexp.MustCompile(`-X (\S+)\.(\w+)=`).FindAllStringSubmatch(text, -1) {
		folder := strings.TrimPrefix(m[1], "splitsync/")
		if folder == "main" {
			folder = "cmd/splitsync"
		}
		if !code.vars[folder+"."+m[2]] {
			t.Errorf("Dockerfile: %s has no variable %s to set at the link", folder, m[2])
		}
	}
	build := regexp.MustCompile(`CGO_ENABLED=0 go build .*-tags (\w+) .* \./(\S+)`).FindStringSubmatch(text)
	if build == nil {
		t.Fatal("Dockerfile: no static build found")
	}
	if !code.tags[build[1]] {
		t.Errorf("Dockerfile: no file has the build tag %s", build[1])
	}
	exists(t, "Dockerfile", filepath.Join("..", build[2]))
	if user := regexp.MustCompile(`(?m)^USER (\d+):`).FindStringSubmatch(text); user == nil || user[1] == "0" {
		t.Error("Dockerfile: the image runs as root")
	}
	entry := regexp.MustCompile(`(?m)^ENTRYPOINT \["(.*)"\]$`).FindStringSubmatch(text)
	if entry == nil || !strings.Contains(text, "COPY --from=build /out/splitsync "+entry[1]) {
		t.Error("Dockerfile: the entry point is not what is copied from the build")
	}
}

// location is one of nginx.conf; the longest prefix that fits is taken, an exact one first.
type location struct {
	exact  bool
	prefix string
	to     string
}

func TestProxyJoinsTheRoutes(t *testing.T) {
	text := read(t, "nginx.conf")
	upstream := map[string]string{}
	for _, m := range regexp.MustCompile(`set \$(\w+) (http://[\w:]+);`).FindAllStringSubmatch(text, -1) {
		upstream[m[1]] = m[2]
	}
	var all []location
	for _, m := range regexp.MustCompile(`location (= )?(\S+) \{\s*proxy_pass \$(\w+);`).FindAllStringSubmatch(text, -1) {
		all = append(all, location{m[1] != "", m[2], m[3]})
	}
	for path, want := range map[string]string{
		"/": "gateway", "/ws/rooms/a": "gateway", "/management/health": "gateway", "/management/rooms": "gateway", "/management/rooms/sync": "gateway",
		"/management/sync": "syncapi", "/management/sync/rooms": "syncapi", "/management/sync/chat-history/a": "syncapi",
		"/management/callbacks/status": "syncapi", "/openapi.json": "syncapi", "/docs": "syncapi",
	} {
		best := location{}
		for _, l := range all {
			if l.exact && l.prefix == path || !l.exact && !best.exact && strings.HasPrefix(path, l.prefix) && len(l.prefix) > len(best.prefix) {
				best = l
			}
		}
		if best.to != want {
			t.Errorf("%s goes to %q, want %s", path, best.to, want)
		}
	}
	project := load(t)
	for name, url := range upstream {
		s, ok := project.Services[name]
		if !ok || url != "http://"+name+":"+after(value(s, "BIND_ADDRESS")) {
			t.Errorf("nginx.conf sends %s to %s, which is not where that service listens", name, url)
		}
	}
	if len(upstream) != 2 || !strings.Contains(text, "listen 3000;") {
		t.Errorf("nginx.conf has %d upstreams, want gateway and syncapi, and listens on 3000", len(upstream))
	}
}

func TestPrometheusScrapesEveryRole(t *testing.T) {
	project, found := load(t), 0
	for _, m := range regexp.MustCompile(`names: \[(\w+)\], type: A, port: (\d+)`).FindAllStringSubmatch(read(t, "prometheus.yml"), -1) {
		found++
		if s, ok := project.Services[m[1]]; !ok || after(value(s, "METRICS_ADDRESS")) != m[2] {
			t.Errorf("prometheus.yml asks %s on port %s, where it has no metrics", m[1], m[2])
		}
	}
	if found != 4 {
		t.Errorf("prometheus.yml scrapes %d roles, want 4", found)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, []byte(read(t, from)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, who, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", who, err)
	}
}

// after is the port of host:port.
func after(address string) string { return address[strings.LastIndex(address, ":")+1:] }

func number(port uint32) string { return strconv.FormatUint(uint64(port), 10) }
