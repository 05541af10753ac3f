package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"splitsync/event"
	"splitsync/internal/httpapi"
)

const (
	roomWait  = time.Second     // for a room that was just created elsewhere
	tailWait  = 8 * time.Second // for the tails of a partition to open
	tryAgain  = 2 * time.Second // Retry-After
	typingMax = 2               // Typing commands a second
)

// connect is GET /ws/rooms/{room_id}: it checks the handshake, accepts it, and returns; goroutines of their own serve the connection.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	err := s.tryConnect(w, r)
	var e *httpapi.Error
	if errors.As(err, &e) {
		s.metrics.Refused.WithLabelValues(strconv.Itoa(e.Status)).Inc()
	}
	return err
}

func (s *Server) tryConnect(w http.ResponseWriter, r *http.Request) error {
	if err := s.available(); err != nil {
		return err
	}
	if !s.origins.Allowed(r) {
		return httpapi.Errorf(http.StatusForbidden, "origin is not allowed")
	}
	m, err := s.identify(r, chi.URLParam(r, "room_id"))
	if err != nil {
		return err
	}
	if err := s.mayEnter(r.Context(), m); err != nil {
		return err
	}
	if !s.enter() {
		return httpapi.Unavailable(tryAgain, nil, "too many connections, or draining")
	}
	entered := false
	defer func() {
		if !entered {
			s.exit()
		}
	}()
	ctx, cancel := context.WithTimeout(r.Context(), tailWait)
	defer cancel()
	part, err := s.hub.acquire(ctx, m.room)
	if err != nil {
		return httpapi.Unavailable(tryAgain, err, "the log is unavailable")
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{event.Subprotocol}, InsecureSkipVerify: true, // origins were checked above
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		s.hub.release(part)
		s.log.Debug("handshake refused", "request_id", httpapi.RequestID(r.Context()), "error", err.Error())
		return nil // Accept has answered
	}
	entered = true
	c := s.newConn(ws, part, m)
	go c.serve(s.base)
	return nil
}

// mayEnter checks the room and the user's ban. A room that is not known may just have been created elsewhere.
func (s *Server) mayEnter(ctx context.Context, m member) error {
	ctx, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	info, ok := s.dir.WaitRoom(ctx, m.room)
	if !ok || info.Closed {
		return httpapi.NotFound("room %s", m.room)
	}
	if s.dir.Banned(m.room, m.user) {
		return httpapi.Errorf(http.StatusForbidden, "banned from this room")
	}
	return nil
}

func (s *Server) newConn(ws *websocket.Conn, part *partition, m member) *conn {
	now := time.Now()
	c := &conn{
		s: s, part: part, ws: ws, v1: ws.Subprotocol() == event.Subprotocol, member: m,
		session: newID(), birth: s.incarnation(),
		active: make(chan struct{}), wake: make(chan struct{}, 1), written: make(chan struct{}),
		abuse: newBucket(abuseRate, abuseBurst, now), typing: newBucket(typingMax, typingMax, now),
	}
	c.heard.Store(now.UnixMilli())
	return c
}

// newID returns a UUIDv7.
func newID() string {
	id, err := uuid.NewV7()
	if err != nil { // the system's random source never fails
		id = uuid.New()
	}
	return id.String()
}

// serve runs a connection to its end.
func (c *conn) serve(ctx context.Context) {
	defer c.s.exit()
	ctx, c.cancel = context.WithCancel(ctx)
	defer c.cancel()
	c.s.track(c, true)
	defer c.s.track(c, false)
	go c.write(context.WithoutCancel(ctx))
	if err := c.begin(); err != nil {
		c.shut(event.CloseLogUnavailable, "log unavailable", event.LeaveError)
	}
	select {
	case <-c.active:
		c.read(ctx)
	case <-c.written:
	}
	c.shut(0, "", event.LeaveLeft)
	<-c.written
	c.finish()
}

// isAdmin tells whether the member may moderate, by token or by the room's admins of the moment.
func (c *conn) isAdmin() bool {
	return c.member.admin || c.s.dir.IsAdmin(c.member.room, c.member.user)
}
