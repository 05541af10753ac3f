package exporter

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the series of the exporter; labels are the five streams and fixed lists.
type Metrics struct {
	Attempts    *prometheus.CounterVec   `metric:"splitsync_exporter_attempts_total" help:"callback requests by what came of them" labels:"stream,outcome" values:"stream=room_events|chat|sessions|periodic|legacy;outcome=ok|transient|endpoint|payload"`
	Seconds     *prometheus.HistogramVec `metric:"splitsync_exporter_request_seconds" help:"time of a callback request" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Delivered   *prometheus.CounterVec   `metric:"splitsync_exporter_delivered_total" help:"deliveries answered with 2xx" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Records     *prometheus.CounterVec   `metric:"splitsync_exporter_records_total" help:"records of the log in deliveries answered with 2xx" labels:"stream" values:"stream=room_events|chat|sessions"`
	DeadLetters *prometheus.CounterVec   `metric:"splitsync_exporter_dead_letters_total" help:"deliveries given up" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Cuts        *prometheus.CounterVec   `metric:"splitsync_exporter_cuts_total" help:"cuts proposed, by reason" labels:"stream,reason" values:"stream=chat|sessions;reason=full|age|early|gap"`
	Undecodable *prometheus.CounterVec   `metric:"splitsync_exporter_undecodable_total" help:"records passed over because they could not be decoded" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Lost        *prometheus.CounterVec   `metric:"splitsync_exporter_lost_records_total" help:"offsets that retention deleted before they were delivered" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	LostCommits *prometheus.CounterVec   `metric:"splitsync_exporter_lost_commits_total" help:"partitions that had begun and had no commit any more" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Paused      *prometheus.GaugeVec     `metric:"splitsync_exporter_paused" help:"1 while a stream is paused or halted" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Lag         *prometheus.GaugeVec     `metric:"splitsync_exporter_lag_records" help:"offsets from the first undelivered record to the end of the log; of periodic and legacy, rooms that wait" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Age         *prometheus.GaugeVec     `metric:"splitsync_exporter_oldest_undelivered_seconds" help:"age of the oldest undelivered record" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
	Buffered    *prometheus.GaugeVec     `metric:"splitsync_exporter_buffer_bytes" help:"bytes of undelivered records in memory" labels:"stream" values:"stream=room_events|chat|sessions|periodic|legacy"`
}
