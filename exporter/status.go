package exporter

import "time"

// State is how a stream does.
type State string

// The states of a stream.
const (
	Off     State = "off"     // it has no URL
	Running State = "running" //
	Paused  State = "paused"  // nothing succeeds; it probes and goes on by itself
	Halted  State = "halted"  // going on could send other bytes than before: the journal is of a newer version
)

// StreamStatus tells how a stream does in this process.
type StreamStatus struct {
	State       State         `json:"state"`
	LastError   string        `json:"last_error"`            // short reason of the newest failure; empty when the newest answer was 2xx
	LastSuccess time.Time     `json:"last_success,omitzero"` // zero: none in this process
	Lag         int64         `json:"lag"`                   // offsets from the first undelivered record to the end of the log; of periodic and legacy, rooms that wait
	OldestAge   time.Duration `json:"-"`                     // of the oldest undelivered record
}
