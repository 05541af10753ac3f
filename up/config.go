package up

import (
	"fmt"
	"time"

	"splitsync/exporter"
	"splitsync/gateway"
	"splitsync/ingest"
	"splitsync/internal/config"
	"splitsync/internal/service"
	"splitsync/syncapi"
)

// Config are the settings of all roles in one process, and of the servers that it embeds.
type Config struct {
	Gateway  gateway.Config
	Ingest   ingest.Config
	Exporter exporter.Config
	Sync     syncapi.Config
	Embedded Embedded

	ownKafka, ownClickHouse bool // the user named no servers: embed them
	makeKey, makeSecret     bool // the user gave none: make one and keep it in DATA_DIR
}

// Embedded are the settings of the embedded broker and ClickHouse.
type Embedded struct {
	Fsync          bool   `env:"EMBEDDED_FSYNC" envDefault:"true" help:"the embedded servers write to disk before they acknowledge"`
	LogMaxBytes    int64  `env:"EMBEDDED_LOG_MAX_BYTES" envDefault:"1073741824" min:"67108864" help:"about how much disk the embedded broker's log may take; older records are deleted"`
	KafkaPort      int    `env:"EMBEDDED_KAFKA_PORT" envDefault:"19092" min:"1" max:"65535" help:"port of the embedded broker on 127.0.0.1"`
	ClickHouseTCP  int    `env:"EMBEDDED_CLICKHOUSE_TCP_PORT" envDefault:"19000" min:"1" max:"65535" help:"port of the embedded ClickHouse on 127.0.0.1, native protocol"`
	ClickHouseHTTP int    `env:"EMBEDDED_CLICKHOUSE_HTTP_PORT" envDefault:"18123" min:"1" max:"65535" help:"port of the embedded ClickHouse on 127.0.0.1, HTTP"`
	CacheDir       string `env:"EMBEDDED_CACHE_DIR" help:"folder for the fetched ClickHouse library; without it splitsync below the user's cache folder"`
	ClickHouseBin  string `env:"CLICKHOUSE_BIN" help:"clickhouse binary that up starts; without it the one on PATH, else the fetched library"`
}

// placeholder stands for what is only known once DATA_DIR is open; Load never lets it out.
const placeholder = "made by up"

// Defaults are those that up has instead of the roles' own.
func Defaults() map[string]string {
	return map[string]string{
		"BIND_ADDRESS":          "127.0.0.1:3000",
		"METRICS_ADDRESS":       "127.0.0.1:9464",
		"GATEWAY_AUTH":          "none",
		"KAFKA_PARTITIONS":      "3",
		"DRAIN_TIMEOUT_SECONDS": "6",
		"KAFKA_BROKERS":         placeholder,
		"CLICKHOUSE_ADDR":       placeholder,
		"ADMIN_API_KEY":         placeholder,
	}
}

// Load reads the settings from environ. Its error names every fault at once (*config.Error).
func Load(environ []string) (Config, error) {
	var c Config
	if err := config.Load(&c, environ, config.Defaults(Defaults())); err != nil {
		return Config{}, err
	}
	c.ownKafka = config.Get(environ, "KAFKA_BROKERS") == ""
	c.ownClickHouse = config.Get(environ, "CLICKHOUSE_ADDR") == ""
	c.makeKey = len(c.Gateway.AdminAPIKeys) == 1 && c.Gateway.AdminAPIKeys[0] == placeholder
	c.makeSecret = len(c.Exporter.Callbacks.Secrets) == 0
	if c.ownKafka {
		c.Gateway.Kafka.Brokers = []string{fmt.Sprintf("127.0.0.1:%d", c.Embedded.KafkaPort)}
		c.Gateway.Kafka.ReplicationFactor = 1
		// Three topics have that many partitions and hold most of the log; imports are rare.
		c.Gateway.Kafka.RetentionBytes = c.Embedded.LogMaxBytes / int64(2*c.Gateway.Kafka.Partitions)
	}
	if c.ownClickHouse {
		c.Ingest.ClickHouse.Addr = []string{fmt.Sprintf("127.0.0.1:%d", c.Embedded.ClickHouseTCP)}
	}
	version := service.Version()
	c.Gateway.Version, c.Exporter.Callbacks.Version = version, version
	return c, nil
}

// stopWithin bounds each stage of the end, so that all of it stays below 15 s.
const stopWithin = 4 * time.Second
