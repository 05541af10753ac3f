// Package config reads every setting of splitsync from the environment and is the only place that does.
//
// A setting is one struct field:
//
//	MaxConnections int `env:"MAX_CONNECTIONS" envDefault:"100000" min:"1" max:"1000000" help:"open WebSocket connections of this process"`
//
// Tags: env (the variable), envDefault, help (one line, for docs/CONFIG.md), min and max (numbers; durations of variables
// that end in _SECONDS or _SECS are whole seconds, other durations are written 500ms, 10s, 5m), oneof (values joined by "|" or ",",
// any case), secret:"true" (never shown; may also come from a file named by VARIABLE_FILE) and required:"true".
// Sizes are in bytes, lists are joined by commas, an empty variable counts as unset. A struct without env tag is looked into,
// with envPrefix put in front of its variables. Owners of shared settings (kafkalog.Config, history.Config) carry the tags
// without importing this package.
package config

import "log/slog"

// Common are the settings that every role has.
type Common struct {
	// LogLevel is debug, info, warn or error.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info" oneof:"debug|info|warn|error" help:"least severe log lines that are written"`
	// DataDir is the folder for everything that a process keeps on disk.
	DataDir string `env:"DATA_DIR" envDefault:"./data" help:"folder for what a process keeps on disk; in up all state"`
}

// Level is LogLevel as log/slog has it; an unknown one is info.
func (c Common) Level() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return l
}

// Web are the settings of the roles that serve management routes (gateway, syncapi).
type Web struct {
	// AdminAPIKeys are all accepted at once, so that keys can be rotated. Never empty after Load.
	AdminAPIKeys []string `env:"ADMIN_API_KEY" secret:"true" required:"true" help:"key of the management and sync routes (X-Api-Key or Authorization: Bearer); several are separated by commas; up makes and keeps one"`
	// AllowedOrigins is what httpapi.NewOrigins takes; empty means that the role decides.
	AllowedOrigins []string `env:"ALLOWED_ORIGINS" help:"origins of browser pages that may connect, such as https://chat.example.com; * allows all; default * with GATEWAY_AUTH=none, else the same host"`
}
