package ingest

import (
	"time"

	"splitsync/internal/config"
	"splitsync/internal/history"
	"splitsync/internal/kafkalog"
)

// Config are the settings of the role.
type Config struct {
	config.Common
	Kafka      kafkalog.Config
	ClickHouse history.Config

	Version string // of this build, for splitsync_build_info

	MetricsAddress string `env:"METRICS_ADDRESS" envDefault:"127.0.0.1:9462" help:"address of /metrics, /livez and /readyz; off = none"`
	Settings
}

// Settings are what only ingest has; up loads them beside its own connections.
type Settings struct {
	BlockRows       int `env:"INGEST_BLOCK_ROWS" envDefault:"100000" min:"1" max:"1000000" help:"rows at which a block is inserted"`
	BlockBytes      int `env:"INGEST_BLOCK_BYTES" envDefault:"16777216" min:"1024" max:"1073741824" help:"bytes at which a block is inserted"`
	FlushIntervalMS int `env:"INGEST_FLUSH_INTERVAL_MS" envDefault:"250" min:"1" max:"60000" help:"age in milliseconds at which a block is inserted, full or not"`
	BufferBytes     int `env:"INGEST_BUFFER_BYTES" envDefault:"67108864" min:"1048576" max:"17179869184" help:"bytes read and not yet committed at which ingest stops fetching (one fetch of a partition may exceed it)"`

	Reaper ReaperTimes
}

// ReaperTimes are the times of the session reaper. They are fixed in production; tests shorten them. A zero field takes the default.
type ReaperTimes struct {
	ProbeEvery time.Duration // between two probes (4 s); longer than a gateway's heartbeat interval
	Silence    time.Duration // log time that the probes must span without a heartbeat (15 s)
	Probes     int           // probes without a heartbeat (3)
}

func (r ReaperTimes) withDefaults() ReaperTimes {
	if r.ProbeEvery <= 0 {
		r.ProbeEvery = 4 * time.Second
	}
	if r.Silence <= 0 {
		r.Silence = 15 * time.Second
	}
	if r.Probes <= 0 {
		r.Probes = 3
	}
	return r
}

// withDefaults fills what is zero, for callers that do not come from internal/config.
func (s Settings) withDefaults() Settings {
	for _, f := range []struct {
		field *int
		def   int
	}{{&s.BlockRows, 100_000}, {&s.BlockBytes, 16 << 20}, {&s.FlushIntervalMS, 250}, {&s.BufferBytes, 64 << 20}} {
		if *f.field <= 0 {
			*f.field = f.def
		}
	}
	s.Reaper = s.Reaper.withDefaults()
	return s
}
