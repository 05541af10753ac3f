package syncapi

import (
	"context"
	"net/http"
	"strconv"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
)

// legacyRooms is how many rooms are looked up at a time.
const legacyRooms = 500

// legacy streams every room with its whole history, as the old server told it: oldest records first, messages and finished sessions only. A fault
// after the beginning cuts the connection: then the closing bracket is missing, and the client sees an error.
func (s *Server) legacy(w http.ResponseWriter, r *http.Request) error {
	q := httpapi.NewQuery(r)
	refuse(q, r, "min_watermark", "page", "limit", "from", "to")
	if err := q.Err(); err != nil {
		return err
	}
	select {
	case s.legacySlots <- struct{}{}:
		defer func() { <-s.legacySlots }()
	default:
		return httpapi.Unavailable(10*tryAgain, nil, "too many whole syncs at once, at most %d", cap(s.legacySlots))
	}
	s.legacyLag(w.Header(), r)
	out := newStream(w)
	out.text("[")
	after, n := "", 0
	for {
		rooms, err := s.deps.History.Rooms(r.Context(), history.RoomFilter{After: after, Limit: legacyRooms})
		if err != nil {
			return storeError(err)
		}
		for i := range rooms {
			if n > 0 {
				out.text(",")
			}
			n++
			if err := s.legacyRoom(r.Context(), out, &rooms[i]); err != nil {
				return storeError(err)
			}
		}
		if len(rooms) < legacyRooms {
			break
		}
		after = rooms[len(rooms)-1].ID
	}
	out.text("]\n")
	return out.end()
}

// legacyRoom writes one room.
func (s *Server) legacyRoom(ctx context.Context, out *stream, room *history.Room) error {
	head, err := event.Marshal(legacyHead(room))
	if err != nil {
		return err
	}
	out.text(string(head[:len(head)-1]))
	out.text(`,"chat_history":[`)
	n := 0
	_, err = s.deps.History.EachMessage(ctx, history.MessageQuery{RoomID: room.ID}, 0, func(m event.ChatRecord) error {
		out.element(n, m)
		n++
		return out.err
	})
	if err != nil {
		return err
	}
	out.text(`],"session_history":[`)
	chat := n
	n = 0
	_, err = s.deps.History.EachSession(ctx, history.SessionQuery{RoomID: room.ID}, 0, func(x event.SessionRecord) error {
		out.element(n, x)
		n++
		return out.err
	})
	out.text("]}")
	s.metrics.Records.WithLabelValues("legacy").Add(float64(chat + n))
	return err
}

func legacyHead(r *history.Room) event.LegacyRoom {
	info, start := r.Info(), event.Seconds(r.CreatedAtMS)
	return event.LegacyRoom{RoomID: r.ID, AdminUserIDs: info.AdminUserIDs, StartTime: start, StartTimeMS: r.CreatedAtMS, Stats: r.Stats,
		Nested: event.LegacyStats{StartTime: start, Stats: r.Stats}}
}

// legacyLag tells how far the history is behind the log, over both topics and all partitions.
func (s *Server) legacyLag(h http.Header, r *http.Request) {
	most := int64(0)
	for _, m := range []*marks{s.chat, s.sessions} {
		x := http.Header{}
		if err := m.freshness(r.Context(), x, -1, nil); err != nil || x.Get("X-Sync-Lag-Ms") == "" {
			return
		}
		lag, _ := strconv.ParseInt(x.Get("X-Sync-Lag-Ms"), 10, 64)
		most = max(most, lag)
	}
	h.Set("X-Sync-Lag-Ms", strconv.FormatInt(most, 10))
}
