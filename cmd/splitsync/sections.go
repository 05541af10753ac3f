package main

import (
	"splitsync/gateway"
	"splitsync/internal/config"
	"splitsync/internal/metrics"
)

// configSections are the commands that docs/CONFIG.md tells about, in order.
func configSections() []config.Section {
	return []config.Section{
		{Title: "gateway", Config: gateway.Config{}},
		{Title: "migrate", Config: migrateSettings{}},
		{Title: "up, fetch", Config: fetchSettings{}},
	}
}

// metricSections are the owners of metrics that docs/METRICS.md tells about, in order.
func metricSections() []metrics.Section {
	return []metrics.Section{
		{Title: "gateway", Metrics: gateway.Metrics{}},
	}
}
