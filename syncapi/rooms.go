package syncapi

import (
	"net/http"
	"strconv"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
)

// syncRoom is an element of the list of rooms.
type syncRoom struct {
	event.RoomInfo
	ClosedAt      *int64 `json:"closed_at"` // Unix seconds; null = open
	ClosedAtMS    *int64 `json:"closed_at_ms"`
	PeakUsers     int64  `json:"peak_users"`
	TotalJoins    int64  `json:"total_joins"`
	TotalMessages int64  `json:"total_messages"`
}

func newSyncRoom(r *history.Room) syncRoom {
	out := syncRoom{RoomInfo: r.Info(), PeakUsers: r.PeakUsers, TotalJoins: r.TotalJoins, TotalMessages: r.TotalMessages}
	if r.ClosedAtMS != 0 {
		ms := r.ClosedAtMS
		seconds := event.Seconds(ms)
		out.ClosedAt, out.ClosedAtMS = &seconds, &ms
	}
	return out
}

// listRooms answers the rooms by id, closed ones too.
func (s *Server) listRooms(w http.ResponseWriter, r *http.Request) error {
	q := httpapi.NewQuery(r)
	filter := history.RoomFilter{
		State: history.State(q.Enum("state", string(history.StateAll), string(history.StateOpen), string(history.StateClosed), string(history.StateAll))),
		Limit: int(q.Int("limit", 0, 1, maxRooms)),
	}
	filter.UpdatedSinceMS, _ = q.From("updated_since")
	min := s.readMin(q, -1)
	refuse(q, r)
	if err := q.Err(); err != nil {
		return err
	}
	if err := s.fresh(s.sessions, w, r, -1, min); err != nil {
		return err
	}
	rooms, err := s.deps.History.Rooms(r.Context(), filter)
	if err != nil {
		return storeError(err)
	}
	if filter.Limit == 0 || len(rooms) < filter.Limit { // else there may be more
		w.Header().Set("X-Total-Count", strconv.Itoa(len(rooms)))
	}
	s.metrics.Records.WithLabelValues("rooms").Add(float64(len(rooms)))
	out := newStream(w)
	out.text("[")
	for i := range rooms {
		out.element(i, newSyncRoom(&rooms[i]))
	}
	out.text("]\n")
	return out.end()
}

// mustKnow is the 404 of a room that the history does not know.
func (s *Server) mustKnow(r *http.Request, room string) error {
	_, ok, err := s.deps.History.Room(r.Context(), room)
	if err != nil {
		return storeError(err)
	}
	if !ok {
		return httpapi.NotFound("room %s", room)
	}
	return nil
}
