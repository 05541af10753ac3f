package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"splitsync/event"
)

const (
	pageSize  = 5000
	apiTries  = 20
	apiPause  = 500 * time.Millisecond
	maxAnswer = 1 << 30
)

// api asks the management and sync routes. What fails for a while (no connection, 429, 5xx) is asked again for some 10 s.
type api struct {
	base, key string
	http      *http.Client
}

type statusError struct {
	status int
	text   string
}

func asStatus(err error) (*statusError, bool) {
	var e *statusError
	return e, errors.As(err, &e)
}

// Error tells status and the server's words.
func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

func (a *api) call(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var last error
	for range apiTries {
		h, again, err := a.once(ctx, method, path, in, out)
		if err == nil || !again || ctx.Err() != nil {
			return h, err
		}
		last = err
		if !sleep(ctx, apiPause) {
			break
		}
	}
	return nil, last
}

func (a *api) once(ctx context.Context, method, path string, in, out any) (_ http.Header, again bool, err error) {
	defer func() {
		if err != nil {
			plain, _, _ := strings.Cut(path, "?")
			err = fmt.Errorf("%s %s: %w", method, plain, err)
		}
	}()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, false, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.base, "/")+path, body)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("X-Api-Key", a.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, true, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500, &statusError{resp.StatusCode, string(text)}
	}
	if out == nil {
		return resp.Header, false, nil
	}
	return resp.Header, true, json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out)
}

// createRoom makes a room, or tells that it exists. The answer of a request that is repeated says so too, so that only existed = false is sure.
func (a *api) createRoom(ctx context.Context, id, name string) (existed bool, err error) {
	in := map[string]any{"room_id": id, "room_name": name[:min(len(name), event.MaxRoomNameBytes)], "admin_user_ids": []string{}}
	_, err = a.call(ctx, http.MethodPost, "/management/rooms", in, nil)
	if e, ok := asStatus(err); ok && e.status == http.StatusConflict {
		return true, nil
	}
	return false, err
}

// pagination is that of a page, as far as it is used here.
type pagination struct {
	TotalRecords int    `json:"total_records"`
	HasNext      bool   `json:"has_next"`
	Snapshot     string `json:"snapshot"`
}

// chatPage and sessionPage are the bodies of the page routes.
type (
	chatPage struct {
		Records    []event.ChatRecord `json:"records"`
		Pagination pagination         `json:"pagination"`
	}
	sessionPage struct {
		Records    []event.SessionRecord `json:"records"`
		Pagination pagination            `json:"pagination"`
	}
)

func pagePath(route, room string, n, limit int, snapshot string) string {
	q := url.Values{"page": {strconv.Itoa(n)}, "limit": {strconv.Itoa(limit)}, "order": {"asc"}}
	if snapshot != "" {
		q.Set("snapshot", snapshot)
	}
	return "/management/sync/" + route + "/" + room + "?" + q.Encode()
}

// walk reads all stored messages of a room, oldest first, in pages that a snapshot freezes.
func (a *api) walk(ctx context.Context, room string, f func(*event.ChatRecord)) error {
	snapshot := ""
	for n := 1; ; n++ {
		var p chatPage
		if _, err := a.call(ctx, http.MethodGet, pagePath("chat-history", room, n, pageSize, snapshot), nil, &p); err != nil {
			return err
		}
		for i := range p.Records {
			f(&p.Records[i])
		}
		if snapshot = p.Pagination.Snapshot; !p.Pagination.HasNext {
			return nil
		}
	}
}

// sessions reads all finished sessions of a room.
func (a *api) sessions(ctx context.Context, room string, f func(*event.SessionRecord)) error {
	snapshot := ""
	for n := 1; ; n++ {
		var p sessionPage
		if _, err := a.call(ctx, http.MethodGet, pagePath("session-history", room, n, pageSize, snapshot), nil, &p); err != nil {
			return err
		}
		for i := range p.Records {
			f(&p.Records[i])
		}
		if snapshot = p.Pagination.Snapshot; !p.Pagination.HasNext {
			return nil
		}
	}
}

// stored counts the messages of a room. complete tells that ingest had stored all of the room's partition when the answer was made.
func (a *api) stored(ctx context.Context, room string) (n int, complete bool, err error) {
	var p chatPage
	h, err := a.call(ctx, http.MethodGet, pagePath("chat-history", room, 1, 1, ""), nil, &p)
	if err != nil {
		return 0, false, err
	}
	return p.Pagination.TotalRecords, h.Get("X-Sync-Watermark") != "" && h.Get("X-Sync-Lag-Ms") == "0", nil
}

// totals are the numbers of stored messages of all rooms with a prefix.
func (a *api) totals(ctx context.Context, prefix string) (map[string]int, error) {
	var rooms []struct {
		RoomID        string `json:"room_id"`
		TotalMessages int    `json:"total_messages"`
	}
	if _, _, err := a.once(ctx, http.MethodGet, "/management/sync/rooms", nil, &rooms); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, r := range rooms {
		if strings.HasPrefix(r.RoomID, prefix) {
			out[r.RoomID] = r.TotalMessages
		}
	}
	return out, nil
}
