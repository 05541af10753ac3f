package main

import (
	"splitsync/exporter"
	"splitsync/gateway"
	"splitsync/ingest"
	"splitsync/internal/config"
	"splitsync/internal/metrics"
	"splitsync/syncapi"
	"splitsync/up"
)

// configSections are the commands that docs/CONFIG.md tells about, in order.
func configSections() []config.Section {
	return []config.Section{
		{Title: "gateway", Config: gateway.Config{}},
		{Title: "ingest", Config: ingest.Config{}},
		{Title: "exporter", Config: exporter.Config{}},
		{Title: "syncapi", Config: syncapi.Config{}},
		{Title: "up", Note: "up takes the settings of all four roles, and these.", Config: up.Embedded{}, Defaults: up.Defaults()},
		{Title: "migrate", Config: migrateSettings{}},
		{Title: "sql", Config: sqlSettings{}},
		{Title: "fetch", Config: fetchSettings{}},
	}
}

// metricSections are the owners of metrics that docs/METRICS.md tells about, in order.
func metricSections() []metrics.Section {
	return []metrics.Section{
		{Title: "gateway", Metrics: gateway.Metrics{}},
		{Title: "ingest", Metrics: ingest.Metrics{}},
		{Title: "exporter", Metrics: exporter.Metrics{}},
		{Title: "syncapi", Metrics: syncapi.Metrics{}},
	}
}
