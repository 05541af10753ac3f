package syncapi

import (
	"net/http"

	"splitsync/internal/history"
	"splitsync/internal/httpapi"
)

// chatHistory answers a page of a room's chat.
func (s *Server) chatHistory(w http.ResponseWriter, r *http.Request) error {
	room, err := roomID(r)
	if err != nil {
		return err
	}
	q, partition := httpapi.NewQuery(r), s.deps.Log.PartitionOf(room)
	p := s.readPage(q, defaultChatLimit, maxChatLimit, partition)
	kinds := readKinds(q)
	refuse(q, r, "include_open")
	if err := q.Err(); err != nil {
		return err
	}
	if err := s.fresh(s.chat, w, r, partition, p.min); err != nil {
		return err
	}
	records, info, err := s.deps.History.MessagePage(r.Context(), history.MessageQuery{RoomID: room, Kinds: kinds, Window: p.window(), Page: p.paging()})
	if err != nil {
		return storeError(err)
	}
	if info.Total == 0 { // a room with records is known
		if err := s.mustKnow(r, room); err != nil {
			return err
		}
	}
	s.metrics.Records.WithLabelValues("chat_history").Add(float64(len(records)))
	return answerPage(w, r, room, records, newPagination(p, info))
}
