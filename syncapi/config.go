package syncapi

import (
	"time"

	"splitsync/internal/config"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// Config are the settings of the sync API.
type Config struct {
	config.Common
	config.Web
	Kafka      kafkalog.Config
	ClickHouse history.Config

	BindAddress    string `env:"BIND_ADDRESS" envDefault:"0.0.0.0:3001" help:"address of the sync API, host:port"`
	MetricsAddress string `env:"METRICS_ADDRESS" envDefault:"127.0.0.1:9464" help:"address of /metrics, /livez and /readyz; off = none"`
	Settings

	Version string // of this build, for splitsync_build_info
}

// Settings are those that only the sync API has; up takes them into its own.
type Settings struct {
	RequestTimeout time.Duration `env:"SYNC_REQUEST_TIMEOUT_SECONDS" envDefault:"30" min:"1" max:"3600" help:"a page that takes longer is answered 503, and its query is ended"`
	LegacyTimeout  time.Duration `env:"SYNC_LEGACY_TIMEOUT_SECONDS" envDefault:"3600" min:"1" max:"86400" help:"bound of one whole GET /management/sync"`
	LegacyParallel int           `env:"SYNC_LEGACY_CONCURRENCY" envDefault:"2" min:"1" max:"64" help:"GET /management/sync that run at once; more get 503"`
}

// withDefaults fills in what a caller that did not come through internal/config left out.
func (s Settings) withDefaults() Settings {
	if s.RequestTimeout <= 0 {
		s.RequestTimeout = 30 * time.Second
	}
	if s.LegacyTimeout <= 0 {
		s.LegacyTimeout = time.Hour
	}
	if s.LegacyParallel <= 0 {
		s.LegacyParallel = 2
	}
	return s
}
