package syncapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"splitsync/event"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
)

// controlPartition is the one partition of the topic control.
const controlPartition = 0

// accepted is the answer to POST /management/sync.
type accepted struct {
	Status        string `json:"status"`
	RequestedAt   int64  `json:"requested_at"` // Unix seconds
	RequestedAtMS int64  `json:"requested_at_ms"`
}

// syncNow answers 202 when the demand for a round of the snapshot streams is durable. A body is not looked at. Demands that come before an exporter
// has begun a round make one round.
func (s *Server) syncNow(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UnixMilli()
	value, err := json.Marshal(event.SyncRequest{RequestedAtMS: now})
	if err != nil {
		return fmt.Errorf("encode sync request: %w", err)
	}
	if _, err := s.control.Append(r.Context(), controlPartition, kafkalog.Outgoing{Key: []byte(event.SyncNowKey), Value: value}); err != nil {
		return fmt.Errorf("write sync request: %w", err)
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, accepted{Status: "accepted", RequestedAt: event.Seconds(now), RequestedAtMS: now})
}
