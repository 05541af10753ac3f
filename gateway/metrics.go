package gateway

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the gateway.
type Metrics struct {
	Connections prometheus.Gauge       `metric:"splitsync_gateway_connections" help:"open WebSocket connections"`
	Refused     *prometheus.CounterVec `metric:"splitsync_gateway_refused_total" help:"handshakes that were refused" labels:"status" values:"status=400|401|403|404|503"`
	Closed      *prometheus.CounterVec `metric:"splitsync_gateway_closed_total" help:"sessions that ended, by reason" labels:"reason" values:"reason=left|replaced|kicked|room_closed|slow|timeout|drained|gateway_lost|error"`
	Commands    *prometheus.CounterVec `metric:"splitsync_gateway_commands_total" help:"commands of clients" labels:"type" values:"type=SendMessage|History|Presence|KickUser|MuteUser|UnmuteUser|CustomEvent|Typing|Ping|unknown"`
	Acks        prometheus.Counter     `metric:"splitsync_gateway_acks_total" help:"records of clients that are durable and seen by the tail"`
	Duplicates  prometheus.Counter     `metric:"splitsync_gateway_duplicates_total" help:"acks that named an earlier record with the same client_msg_id"`
	Errors      *prometheus.CounterVec `metric:"splitsync_gateway_errors_total" help:"error replies, by code" labels:"code" values:"code=100|101|103|104|106|107|111|112|120|121|122|123|124"`
	AckSeconds  prometheus.Histogram   `metric:"splitsync_gateway_ack_seconds" help:"time from a command to its ack" buckets:"0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30"`
	Delivered   prometheus.Counter     `metric:"splitsync_gateway_delivered_total" help:"records that were queued for a connection"`
	Frames      prometheus.Counter     `metric:"splitsync_gateway_frames_total" help:"WebSocket frames that were written"`
	SentBytes   prometheus.Counter     `metric:"splitsync_gateway_sent_bytes_total" help:"bytes of the frames that were written"`
	QueuedBytes prometheus.Gauge       `metric:"splitsync_gateway_queued_bytes" help:"bytes that wait for connections, a frame counted for each; over 1 GiB a connection may lag 64 KiB"`
	RingBytes   prometheus.Gauge       `metric:"splitsync_gateway_ring_bytes" help:"bytes kept in rooms for members that come back; at most 128 MiB"`
	RingDropped prometheus.Counter     `metric:"splitsync_gateway_ring_dropped_total" help:"records that rooms did not keep because all rooms together were at their bound"`
	Tails       prometheus.Gauge       `metric:"splitsync_gateway_partitions" help:"partitions that are tailed"`
	TailFaults  prometheus.Counter     `metric:"splitsync_gateway_tail_faults_total" help:"tails that ended with a fault; their connections were closed with 4104"`
	OpenEnds    prometheus.Gauge       `metric:"splitsync_gateway_pending_session_ends" help:"ends of sessions that are not yet in the log"`
	Broken      prometheus.Gauge       `metric:"splitsync_gateway_broken_registers" help:"records of the topic rooms that could not be read: what they say (a ban, a mute, a room) does not hold here"`
	Incarnation prometheus.Counter     `metric:"splitsync_gateway_incarnations_lost_total" help:"incarnations that were given up"`
}
