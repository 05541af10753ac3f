package history

import (
	"crypto/tls"

	"splitsync/internal/clienttls"
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

// tls returns nil without TLS.
func (c Config) tls() (*tls.Config, error) {
	if !c.TLSEnable {
		return nil, nil
	}
	return clienttls.Load("CLICKHOUSE_TLS", clienttls.Files{CA: c.TLSCAFile, Cert: c.TLSCertFile, Key: c.TLSKeyFile})
}
