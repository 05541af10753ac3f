package syncapi

import (
	"net/http"

	"splitsync/internal/history"
	"splitsync/internal/httpapi"
)

// sessionHistory answers a page of a room's sessions, the finished ones unless open ones are asked for too.
func (s *Server) sessionHistory(w http.ResponseWriter, r *http.Request) error {
	room, err := roomID(r)
	if err != nil {
		return err
	}
	q, partition := httpapi.NewQuery(r), s.deps.Log.PartitionOf(room)
	p := s.readPage(q, defaultSessionLimit, maxSessionLimit, partition)
	open := q.Bool("include_open", false)
	refuse(q, r, "kinds")
	if err := q.Err(); err != nil {
		return err
	}
	if err := s.fresh(s.sessions, w, r, partition, p.min); err != nil {
		return err
	}
	records, info, err := s.deps.History.SessionPage(r.Context(), history.SessionQuery{RoomID: room, IncludeOpen: open, Window: p.window(), Page: p.paging()})
	if err != nil {
		return storeError(err)
	}
	if info.Total == 0 { // a room with records is known
		if err := s.mustKnow(r, room); err != nil {
			return err
		}
	}
	s.metrics.Records.WithLabelValues("session_history").Add(float64(len(records)))
	return answerPage(w, r, room, records, newPagination(p, info))
}
