package main

import (
	"splitsync/internal/config"
	"splitsync/internal/metrics"
)

// configSections are the commands that docs/CONFIG.md tells about, in order.
func configSections() []config.Section {
	return []config.Section{
		{Title: "up, fetch", Config: fetchSettings{}},
	}
}

// metricSections are the owners of metrics that docs/METRICS.md tells about, in order.
func metricSections() []metrics.Section {
	return nil
}
