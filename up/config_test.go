package up

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"splitsync/internal/config"
	"splitsync/internal/devstack"
	"splitsync/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// signing is a well-formed signing secret.
const signing = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLXRlc3Q="

func TestLoadEmbedsWhatIsNotNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		env                 []string
		kafka, clickhouse   string
		ownKafka, ownHouse  bool
		makeKey, makeSecret bool
	}{
		"nothing named":  {nil, "127.0.0.1:19092", "127.0.0.1:19000", true, true, true, true},
		"other ports":    {[]string{"EMBEDDED_KAFKA_PORT=19", "EMBEDDED_CLICKHOUSE_TCP_PORT=20"}, "127.0.0.1:19", "127.0.0.1:20", true, true, true, true},
		"Kafka named":    {[]string{"KAFKA_BROKERS=k1:9092,k2:9092"}, "k1:9092,k2:9092", "127.0.0.1:19000", false, true, true, true},
		"both named":     {[]string{"KAFKA_BROKERS=k1:9092", "CLICKHOUSE_ADDR=c1:9000"}, "k1:9092", "c1:9000", false, false, true, true},
		"secrets given":  {[]string{"ADMIN_API_KEY=given-key-of-mine", "CALLBACK_SIGNING_SECRETS=" + signing}, "127.0.0.1:19092", "127.0.0.1:19000", true, true, false, false},
		"empty is unset": {[]string{"KAFKA_BROKERS=", "CLICKHOUSE_ADDR=", "ADMIN_API_KEY="}, "127.0.0.1:19092", "127.0.0.1:19000", true, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Load(tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(c.Gateway.Kafka.Brokers, ","); got != tt.kafka || c.ownKafka != tt.ownKafka {
				t.Errorf("Kafka %s, embedded %v", got, c.ownKafka)
			}
			if got := strings.Join(c.Ingest.ClickHouse.Addr, ","); got != tt.clickhouse || c.ownClickHouse != tt.ownHouse {
				t.Errorf("ClickHouse %s, embedded %v", got, c.ownClickHouse)
			}
			if c.makeKey != tt.makeKey || c.makeSecret != tt.makeSecret {
				t.Errorf("makes a key %v, a secret %v", c.makeKey, c.makeSecret)
			}
			if c.Gateway.Auth != "none" || c.Gateway.BindAddress != "127.0.0.1:3000" || c.Gateway.Kafka.Partitions != 3 {
				t.Errorf("auth %s, bind %s, %d partitions", c.Gateway.Auth, c.Gateway.BindAddress, c.Gateway.Kafka.Partitions)
			}
			if slices.Contains(c.Gateway.Kafka.Brokers, placeholder) || slices.Contains(c.Ingest.ClickHouse.Addr, placeholder) {
				t.Error("a placeholder was let out")
			}
		})
	}
}

func TestLoadNamesEveryFaultAtOnce(t *testing.T) {
	_, err := Load([]string{"MAX_CONNECTIONS=many", "EMBEDDED_KAFKA_PORT=99999", "GATEWAY_AUTH=maybe", "KAFKA_PARTITIONS=0", "GATEWAY_JWT_SECRET=tooshort"})
	var bad *config.Error
	if !errors.As(err, &bad) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"MAX_CONNECTIONS", "EMBEDDED_KAFKA_PORT", "GATEWAY_AUTH", "KAFKA_PARTITIONS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %s", want, err)
		}
	}
	if strings.Contains(err.Error(), "tooshort") {
		t.Errorf("a secret is shown: %s", err)
	}
}

// shownBy returns the banner of a process on an address.
func shownBy(t *testing.T, addr net.Addr, env ...string) string {
	t.Helper()
	cfg, err := Load(env)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := newProcess(cfg, &out, testkit.Log(t))
	if p.dir, err = devstack.OpenDataDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.dir.Close() }()
	if err := p.makeSecrets(); err != nil {
		t.Fatal(err)
	}
	p.banner(addr)
	for _, made := range []string{p.cfg.Gateway.AdminAPIKeys[0], p.cfg.Exporter.Callbacks.Secrets[0]} {
		if given := slices.ContainsFunc(env, func(e string) bool { return strings.HasSuffix(e, "="+made) }); strings.Contains(out.String(), made) == given {
			t.Errorf("secret %s, given %v:\n%s", made, given, &out)
		}
	}
	if !slices.Equal(p.cfg.Sync.AdminAPIKeys, p.cfg.Gateway.AdminAPIKeys) {
		t.Error("the two APIs have different keys")
	}
	return out.String()
}

func TestTheBannerShowsOnlySecretsThatUpMade(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3000}
	made := shownBy(t, local)
	for _, want := range []string{"http://127.0.0.1:3000/", "metrics       off", "127.0.0.1:19092 (embedded)", "127.0.0.1:19000", "api-key", "callback-signing-secret"} {
		if !strings.Contains(made, want) {
			t.Errorf("no %s in:\n%s", want, made)
		}
	}
	given := shownBy(t, local, "ADMIN_API_KEY=given-key-of-mine", "CALLBACK_SIGNING_SECRETS="+signing, "KAFKA_BROKERS=k1:9092", "CLICKHOUSE_ADDR=c1:9000")
	for _, want := range []string{"(as set)", "k1:9092", "c1:9000"} {
		if !strings.Contains(given, want) {
			t.Errorf("no %s in:\n%s", want, given)
		}
	}
	if strings.Contains(given, "embedded") {
		t.Errorf("nothing is embedded:\n%s", given)
	}
}

func TestAnOpenAddressWithoutAuthWarns(t *testing.T) {
	for _, tt := range []struct {
		ip   string
		env  []string
		want bool
	}{
		{"127.0.0.1", nil, false}, {"::1", nil, false}, {"0.0.0.0", nil, true}, {"::", nil, true}, {"192.0.2.7", nil, true},
		{"0.0.0.0", []string{"GATEWAY_AUTH=jwt", "GATEWAY_JWT_SECRET=0123456789abcdef0123456789abcdef"}, false},
	} {
		if got := strings.Contains(shownBy(t, &net.TCPAddr{IP: net.ParseIP(tt.ip), Port: 1}, tt.env...), "WARNING"); got != tt.want {
			t.Errorf("%s %v: warns %v", tt.ip, tt.env, got)
		}
	}
}

func TestTheDiskIsLookedAtFirst(t *testing.T) {
	for _, tt := range []struct {
		free        uint64
		fails, told bool
	}{{100 << 20, true, false}, {500 << 20, false, true}, {2 << 30, false, false}} {
		var out bytes.Buffer
		err := checkFree("/data", tt.free, slog.New(slog.NewTextHandler(&out, nil)))
		if (err != nil) != tt.fails || (out.Len() > 0) != tt.told {
			t.Errorf("%d MiB: %v, log %q", tt.free>>20, err, &out)
		}
		if err != nil && (!strings.Contains(err.Error(), "/data") || !strings.Contains(err.Error(), "DATA_DIR") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("says %q", err)
		}
	}
}
