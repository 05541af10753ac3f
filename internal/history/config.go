package history

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Config says where the history is.
type Config struct {
	Addr        []string `env:"CLICKHOUSE_ADDR" required:"true" help:"addresses of ClickHouse servers (native protocol), host:port, comma separated"`
	Database    string   `env:"CLICKHOUSE_DATABASE" envDefault:"splitsync" help:"database; migrate creates it"`
	Username    string   `env:"CLICKHOUSE_USERNAME" envDefault:"default" help:"user name"`
	Password    string   `env:"CLICKHOUSE_PASSWORD" secret:"true" help:"password"`
	TLSEnable   bool     `env:"CLICKHOUSE_TLS_ENABLE" envDefault:"false" help:"connect by TLS"`
	TLSCAFile   string   `env:"CLICKHOUSE_TLS_CA_FILE" help:"PEM file of the certificate authorities; empty = the system's"`
	TLSCertFile string   `env:"CLICKHOUSE_TLS_CERT_FILE" help:"PEM file of the client's certificate"`
	TLSKeyFile  string   `env:"CLICKHOUSE_TLS_KEY_FILE" help:"PEM file of the client's key"`
	TTLDays     int      `env:"HISTORY_TTL_DAYS" envDefault:"0" min:"0" max:"36500" help:"days after which migrate has ClickHouse delete history; 0 = keep"`
}

func (c Config) tls() (*tls.Config, error) {
	if !c.TLSEnable {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLSCAFile != "" {
		pem, err := os.ReadFile(c.TLSCAFile)
		if err != nil {
			return nil, fmt.Errorf("CLICKHOUSE_TLS_CA_FILE: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CLICKHOUSE_TLS_CA_FILE: no certificate in %s", c.TLSCAFile)
		}
	}
	if c.TLSCertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
		if err != nil {
			return nil, fmt.Errorf("CLICKHOUSE_TLS_CERT_FILE, CLICKHOUSE_TLS_KEY_FILE: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}
