package syncapi

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the sync API.
type Metrics struct {
	Requests *prometheus.CounterVec   `metric:"splitsync_syncapi_requests_total" help:"answers" labels:"route,status" values:"route=rooms|chat_history|session_history|legacy|sync_now|openapi|docs;status=2xx|4xx|5xx"`
	Seconds  *prometheus.HistogramVec `metric:"splitsync_syncapi_request_seconds" help:"time until an answer was written" labels:"route" values:"route=rooms|chat_history|session_history|legacy|sync_now|openapi|docs" buckets:"0.002,0.005,0.01,0.02,0.05,0.1,0.2,0.5,1,2,5,10,30"`
	Records  *prometheus.CounterVec   `metric:"splitsync_syncapi_records_total" help:"records in answers" labels:"route" values:"route=rooms|chat_history|session_history|legacy"`
	Late     prometheus.Counter       `metric:"splitsync_syncapi_min_watermark_late_total" help:"requests whose min_watermark was not reached in time"`
	Blind    prometheus.Counter       `metric:"splitsync_syncapi_without_watermark_total" help:"answers without watermark, because Kafka did not answer"`
}
