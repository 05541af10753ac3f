package syncapi

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"splitsync/event"
	"splitsync/internal/history"
	"splitsync/internal/httpapi"
)

// Bounds of the parameters.
const (
	maxChatLimit        = 10000
	defaultChatLimit    = 1000
	maxSessionLimit     = 5000
	defaultSessionLimit = 500
	maxPage             = 1_000_000_000
	maxSeq              = 1<<53 - 1
	maxSnapshot         = 64
	maxRooms            = 100_000
)

// pageParams are the parameters that both page routes have.
type pageParams struct {
	page, limit int
	from, to    *int64 // Unix milliseconds, inclusive; nil = none
	asc         bool
	after       uint64 // seq, exclusive
	before      uint64 // seq, exclusive; 0 = none
	snapshot    uint64 // seq, inclusive; 0 = none
	min         []mark
}

// window is what the history is asked for.
func (p pageParams) window() history.Window {
	return history.Window{FromMS: p.from, ToMS: p.to, AfterSeq: p.after, BeforeSeq: p.before, Snapshot: p.snapshot}
}

func (p pageParams) paging() history.Page {
	return history.Page{Number: p.page, Size: p.limit, Asc: p.asc}
}

// refuse records a fault for what a route has not (or not yet: cursors and NDJSON). To ignore it would give an answer to another question.
func refuse(q *httpapi.Query, r *http.Request, unsupported ...string) {
	for _, name := range append(unsupported, "cursor") {
		if q.Has(name) {
			q.Fault(name, "not supported here")
		}
	}
	if onlyNDJSON(r.Header.Values("Accept")) {
		q.Fault("Accept", "application/x-ndjson is not supported yet, want application/json")
	}
}

// onlyNDJSON reports whether NDJSON is asked for and JSON would not do.
func onlyNDJSON(accept []string) bool {
	found := false
	for item := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		mt, params, err := mime.ParseMediaType(item)
		if err != nil || params["q"] == "0" {
			continue
		}
		switch mt {
		case "*/*", "application/*", "application/json":
			return false
		case "application/x-ndjson":
			found = true
		}
	}
	return found
}

// readPage reads what both page routes have.
func (s *Server) readPage(q *httpapi.Query, defaultLimit, maxLimit int64, partition int) pageParams {
	p := pageParams{
		page:  int(q.Int("page", 1, 1, maxPage)),
		limit: int(q.Int("limit", defaultLimit, 1, maxLimit)),
		asc:   q.Enum("order", "desc", "asc", "desc") == "asc",
		after: uint64(q.Int("after_seq", 0, 0, maxSeq)), before: uint64(q.Int("before_seq", 0, 1, maxSeq)),
		snapshot: readSnapshot(q),
		min:      s.readMin(q, partition),
	}
	if ms, ok := q.From("from"); ok {
		p.from = &ms
	}
	if ms, ok := q.To("to"); ok {
		p.to = &ms
	}
	if p.from != nil && p.to != nil && *p.from > *p.to {
		q.Fault("from", "is after to")
	}
	return p
}

// A snapshot is a letter and the seq behind which nothing is seen. Clients must not read anything into it.
const snapshotMark = "s"

func snapshotText(seq uint64) string { return snapshotMark + strconv.FormatUint(seq, 36) }

func readSnapshot(q *httpapi.Query) uint64 {
	text := q.Text("snapshot", "", maxSnapshot)
	if text == "" {
		return 0
	}
	digits, ok := strings.CutPrefix(text, snapshotMark)
	seq, err := strconv.ParseUint(digits, 36, 64)
	if !ok || err != nil || seq > maxSeq {
		q.Fault("snapshot", "want pagination.snapshot of page 1")
	}
	return seq
}

// readMin reads min_watermark; with a partition of 0 or more it has to be of that one.
func (s *Server) readMin(q *httpapi.Query, partition int) []mark {
	text := q.Text("min_watermark", "", maxMinMarkLen)
	if text == "" {
		return nil
	}
	partitions := s.deps.Log.Meta().Partitions
	marks, ok := parseMarks(text, partitions)
	if !ok {
		q.Fault("min_watermark", fmt.Sprintf("want partition:offset with a partition from 0 to %d", partitions-1))
		return nil
	}
	for _, m := range marks {
		if partition >= 0 && m.partition != partition {
			q.Fault("min_watermark", fmt.Sprintf("want %d:offset, this room is in partition %d", partition, partition))
			return nil
		}
	}
	return marks
}

// readKinds reads the kinds of chat records.
func readKinds(q *httpapi.Query) []event.Kind {
	names := q.Enums("kinds", []string{string(event.KindMessage)},
		string(event.KindMessage), string(event.KindSystemMessage), string(event.KindCustomEvent))
	out := make([]event.Kind, len(names))
	for i, n := range names {
		out[i] = event.Kind(n)
	}
	return out
}

// roomID is the room in the path.
func roomID(r *http.Request) (string, error) {
	id := chi.URLParam(r, "room_id")
	if err := event.CheckRoomID(id); err != nil {
		return "", httpapi.BadRequest("room_id", "want 1 to 128 characters of A-Z a-z 0-9 . _ ~ -")
	}
	return id, nil
}
