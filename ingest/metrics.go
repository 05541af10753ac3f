package ingest

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the figures of one ingest.
type Metrics struct {
	Records     *prometheus.CounterVec `metric:"splitsync_ingest_records_total" help:"records read from the log, by what became of them" labels:"fate" values:"fate=stored|duplicate|other|dead"`
	Rows        *prometheus.CounterVec `metric:"splitsync_ingest_rows_total" help:"rows that ClickHouse took, repeats after a restart included" labels:"table" values:"table=chat_messages|user_sessions|rooms"`
	Blocks      prometheus.Counter     `metric:"splitsync_ingest_blocks_total" help:"blocks that were stored and committed"`
	Bytes       prometheus.Counter     `metric:"splitsync_ingest_bytes_total" help:"bytes of the records that were read (keys and values)"`
	BlockRows   prometheus.Histogram   `metric:"splitsync_ingest_block_rows" help:"rows of a block" buckets:"1,10,100,1000,10000,50000,100000,200000"`
	InsertTime  prometheus.Histogram   `metric:"splitsync_ingest_insert_seconds" help:"time that ClickHouse took for a block, retries included"`
	Retries     *prometheus.CounterVec `metric:"splitsync_ingest_retries_total" help:"attempts that failed and were repeated" labels:"what" values:"what=insert|commit|dead_letter|register|stats"`
	DeadLetters *prometheus.CounterVec `metric:"splitsync_ingest_dead_letters_total" help:"records written to ingest-dead-letters" labels:"reason" values:"reason=undecodable|unknown|misplaced|refused|retention"`
	Overtaken   prometheus.Counter     `metric:"splitsync_ingest_overtaken_records_total" help:"offsets that retention deleted before they were read; must stay 0"`
	Lag         *prometheus.GaugeVec   `metric:"splitsync_ingest_lag_records" help:"records between the commit and the end of the log, of the partitions that this process owns" labels:"topic,partition"`
	Buffered    prometheus.Gauge       `metric:"splitsync_ingest_buffered_bytes" help:"bytes read and not yet committed (bound: INGEST_BUFFER_BYTES and one fetch a partition)"`
	Partitions  prometheus.Gauge       `metric:"splitsync_ingest_partitions" help:"partitions that this process owns"`
	Repaired    prometheus.Counter     `metric:"splitsync_ingest_registers_repaired_total" help:"registers of rooms that a crash had left out and ingest wrote"`
	Fenced      prometheus.Counter     `metric:"splitsync_ingest_fenced_gateways_total" help:"dead gateway incarnations that the reaper fenced"`
	Reaped      prometheus.Counter     `metric:"splitsync_ingest_reaped_sessions_total" help:"sessions that the reaper closed (gateway_lost)"`
}
