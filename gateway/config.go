package gateway

import (
	"errors"
	"time"

	"splitsync/internal/config"
	"splitsync/internal/kafkalog"
)

// Config are the settings of the gateway.
type Config struct {
	config.Common
	config.Web
	Kafka kafkalog.Config

	Version string // of this build, for splitsync_build_info

	BindAddress    string `env:"BIND_ADDRESS" envDefault:"0.0.0.0:3000" help:"address for clients and for the management API, host:port"`
	MetricsAddress string `env:"METRICS_ADDRESS" envDefault:"127.0.0.1:9461" help:"address of /metrics, /livez and /readyz"`

	Auth      string `env:"GATEWAY_AUTH" required:"true" oneof:"none|jwt" help:"who a client is: none = what its query says, jwt = what its token says"`
	JWTSecret string `env:"GATEWAY_JWT_SECRET" secret:"true" help:"HS256 secret of the tokens, at least 32 bytes"`

	MaxConnections  int           `env:"MAX_CONNECTIONS" envDefault:"100000" min:"1" max:"10000000" help:"open WebSocket connections of this process; more get 503"`
	MaxMessageBytes int           `env:"MAX_MESSAGE_BYTES" envDefault:"65536" min:"1" max:"921600" help:"bytes of one message's content"`
	MessageRate     float64       `env:"USER_MESSAGE_RATE_PER_SECOND" envDefault:"50" min:"0" max:"1000000" help:"messages a second of one user in one room; 0 = no limit"`
	MessageInterval time.Duration `env:"USER_MESSAGE_INTERVAL_SECS" envDefault:"0" min:"0" max:"86400" help:"slow mode: shortest time between two messages of an ordinary user; 0 = off"`
	QueueBytes      int           `env:"CONNECTION_QUEUE_BYTES" envDefault:"8388608" min:"65536" max:"1073741824" help:"what may wait for one slow connection before it is closed with 4101"`
	PingInterval    time.Duration `env:"PING_INTERVAL_SECONDS" envDefault:"25" min:"1" max:"3600" help:"a silent connection is pinged this often, and closed when no pong comes within the same time"`
	DrainTimeout    time.Duration `env:"DRAIN_TIMEOUT_SECONDS" envDefault:"10" min:"1" max:"600" help:"how long a stopping gateway may take to end its sessions"`
}

// minSecretBytes is the least that HS256 asks for (RFC 7518, 3.2).
const minSecretBytes = 32

// Validate checks what one field alone does not tell.
func (c *Config) Validate() []error {
	if c.Auth == "jwt" && len(c.JWTSecret) < minSecretBytes {
		return []error{errors.New("GATEWAY_JWT_SECRET: must have at least 32 bytes when GATEWAY_AUTH is jwt")}
	}
	return nil
}

// withDefaults fills in what a caller that did not come through internal/config left out.
func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.MaxConnections, 100000)
	def(&c.MaxMessageBytes, 65536)
	def(&c.QueueBytes, 8<<20)
	if c.PingInterval == 0 {
		c.PingInterval = 25 * time.Second
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	if c.Auth == "" {
		c.Auth = "none"
	}
	return c
}
