package gateway

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"splitsync/event"
	"splitsync/internal/httpapi"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
)

// roomView is a room as the management API shows it.
type roomView struct {
	RoomID         string   `json:"room_id"`
	RoomName       string   `json:"room_name"`
	AdminUserIDs   []string `json:"admin_user_ids"`
	StartTime      int64    `json:"start_time"` // Unix seconds
	StartTimeMS    int64    `json:"start_time_ms"`
	LastActivity   int64    `json:"last_activity"` // Unix seconds
	LastActivityMS int64    `json:"last_activity_ms"`
	CurrentUsers   int64    `json:"current_users"`
	PeakUsers      int64    `json:"peak_users"`
	TotalJoins     int64    `json:"total_joins"`
}

// createRoom is POST /management/rooms.
func (s *Server) createRoom(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		RoomID       string   `json:"room_id"`
		RoomName     string   `json:"room_name"`
		AdminUserIDs []string `json:"admin_user_ids"`
	}
	if err := httpapi.DecodeJSON(w, r, httpapi.MaxBody, &in); err != nil {
		return err
	}
	if in.RoomID == "" {
		in.RoomID = newID()
	}
	if in.AdminUserIDs == nil {
		in.AdminUserIDs = []string{}
	}
	e := &event.RoomCreated{RoomID: in.RoomID, RoomName: in.RoomName, AdminUserIDs: in.AdminUserIDs}
	if err := e.Validate(); err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "%s", err)
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	if _, known := s.dir.Get(in.RoomID); known {
		return httpapi.Conflict("room %s exists already, or existed", in.RoomID)
	}
	entry, err := s.changeRoom(r.Context(), e)
	if err != nil {
		return err
	}
	if entry.Duplicate {
		return httpapi.Conflict("room %s was just created by another request", in.RoomID)
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]string{"room_id": in.RoomID, "websocket_url": "/ws/rooms/" + in.RoomID})
}

// listRooms is GET /management/rooms: the open rooms, ordered by id.
func (s *Server) listRooms(w http.ResponseWriter, _ *http.Request) error {
	if !s.ready.Load() {
		return s.available()
	}
	counts := s.presenceOf.Counts()
	out := []roomView{}
	for _, info := range s.dir.List() {
		if !info.Closed {
			out = append(out, s.view(info, counts[info.ID]))
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// getRoom is GET /management/rooms/{room_id}.
func (s *Server) getRoom(w http.ResponseWriter, r *http.Request) error {
	info, err := s.openRoom(r)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, s.view(info, s.presenceOf.Count(info.ID, "")))
}

// closeRoom is DELETE /management/rooms/{room_id}. It answers when the closing is durable; all gateways close the connections.
func (s *Server) closeRoom(w http.ResponseWriter, r *http.Request) error {
	info, err := s.openRoom(r)
	if err != nil {
		return err
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	v := s.view(info, s.presenceOf.Count(info.ID, ""))
	final := event.Stats{CurrentUsers: v.CurrentUsers, PeakUsers: v.PeakUsers, TotalJoins: v.TotalJoins}
	if _, err := s.changeRoom(r.Context(), &event.RoomClosed{RoomID: info.ID, FinalStats: final}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// setAdmins is PUT /management/rooms/{room_id}/admins.
func (s *Server) setAdmins(w http.ResponseWriter, r *http.Request) error {
	info, err := s.openRoom(r)
	if err != nil {
		return err
	}
	var in struct {
		AdminUserIDs *[]string `json:"admin_user_ids"`
	}
	if err := httpapi.DecodeJSON(w, r, httpapi.MaxBody, &in); err != nil {
		return err
	}
	if in.AdminUserIDs == nil {
		return httpapi.BadRequest("admin_user_ids", "missing, want a list of user ids")
	}
	if err := event.CheckAdmins(*in.AdminUserIDs); err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "%s", err)
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	if _, err := s.changeRoom(r.Context(), event.NewAdminsChanged(info.ID, *in.AdminUserIDs)); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"room_id": info.ID, "admin_user_ids": *in.AdminUserIDs})
}

// unban is DELETE /management/rooms/{room_id}/bans/{user_id}.
func (s *Server) unban(w http.ResponseWriter, r *http.Request) error {
	info, err := s.openRoom(r)
	if err != nil {
		return err
	}
	user := chi.URLParam(r, "user_id")
	if err := event.CheckUser("user_id", user); err != nil {
		return httpapi.Errorf(http.StatusBadRequest, "%s", err)
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	if _, err := s.changeRoom(r.Context(), event.NewUserUnbanned(info.ID, user, "")); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]string{"room_id": info.ID, "user_id": user})
}

// systemMessage is POST /management/rooms/{room_id}/system-message.
func (s *Server) systemMessage(w http.ResponseWriter, r *http.Request) error {
	info, err := s.openRoom(r)
	if err != nil {
		return err
	}
	var in struct {
		Content string `json:"content"`
	}
	if err := httpapi.DecodeJSON(w, r, httpapi.MaxBody, &in); err != nil {
		return err
	}
	if len(in.Content) > s.cfg.MaxMessageBytes || in.Content == "" {
		return httpapi.BadRequest("content", "must have 1 to %d bytes", s.cfg.MaxMessageBytes)
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	e := &event.SystemMessage{RoomID: info.ID, Content: in.Content}
	entry, err := s.append(r.Context(), info.ID, func(ctx context.Context, p *partition) (kafkalog.Entry, error) { return p.chat.append(ctx, e) })
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusAccepted, map[string]any{
		"room_id": info.ID, "message_id": entry.MessageID.String(), "seq": entry.Seq,
		"created_at": event.Seconds(entry.CreatedAt), "created_at_ms": entry.CreatedAt,
	})
}

// openRoom returns the room of the path; it may just have been created elsewhere. A closed one is not found: its history is with the sync API.
func (s *Server) openRoom(r *http.Request) (rooms.Room, error) {
	if !s.ready.Load() {
		return rooms.Room{}, s.available()
	}
	id := chi.URLParam(r, "room_id")
	if event.CheckRoomID(id) != nil {
		return rooms.Room{}, httpapi.NotFound("room")
	}
	ctx, cancel := context.WithTimeout(r.Context(), roomWait)
	defer cancel()
	info, ok := s.dir.WaitRoom(ctx, id)
	if !ok || info.Closed {
		return rooms.Room{}, httpapi.NotFound("room %s", id)
	}
	return info, nil
}

// mayChange tells whether changes are taken now.
func (s *Server) mayChange() error {
	if err := s.available(); err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return httpapi.Unavailable(tryAgain, nil, "%s", err)
	}
	return nil
}

// changeRoom is change for the event's room.
func (s *Server) changeRoom(ctx context.Context, e event.Event) (kafkalog.Entry, error) {
	return s.append(ctx, e.Room(), func(ctx context.Context, p *partition) (kafkalog.Entry, error) { return s.change(ctx, p, e) })
}

// view adds to the register what the own tail has seen behind it. current is the count over all gateways.
func (s *Server) view(info rooms.Room, current int64) roomView {
	v := roomView{
		RoomID: info.ID, RoomName: info.Name, AdminUserIDs: info.AdminUserIDs,
		StartTime: event.Seconds(info.CreatedAtMS), StartTimeMS: info.CreatedAtMS, LastActivityMS: info.LastActivityMS,
		CurrentUsers: current, PeakUsers: info.Stats.PeakUsers, TotalJoins: info.Stats.TotalJoins,
	}
	if p := s.hub.find(info.ID); p != nil {
		p.mu.Lock()
		if r := p.rooms[info.ID]; r != nil {
			v.CurrentUsers = r.stats().CurrentUsers
			v.PeakUsers = max(v.PeakUsers, r.peak)
			v.TotalJoins += r.joinsAfter(info.StatsSeq)
			v.LastActivityMS = max(v.LastActivityMS, r.lastActivity)
		}
		p.mu.Unlock()
	}
	v.PeakUsers = max(v.PeakUsers, v.CurrentUsers)
	v.LastActivity = event.Seconds(v.LastActivityMS)
	return v
}

// joinsAfter counts the joins behind seq that the tail saw; the lock is held.
func (r *room) joinsAfter(seq uint64) int64 {
	var n int64
	for _, j := range r.joins {
		if j > seq {
			n++
		}
	}
	return n
}
