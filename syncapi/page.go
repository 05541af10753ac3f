package syncapi

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"splitsync/internal/history"
)

// Pagination tells where a page stands in its range.
type Pagination struct {
	CurrentPage  int     `json:"current_page"`
	TotalPages   int64   `json:"total_pages"`
	TotalRecords int64   `json:"total_records"`
	PageSize     int     `json:"page_size"`
	HasNext      bool    `json:"has_next"`
	HasPrev      bool    `json:"has_prev"`
	NextCursor   *string `json:"next_cursor"` // null: there are no cursors yet
	Snapshot     string  `json:"snapshot"`    // freezes the range for the next pages
}

func newPagination(p pageParams, info history.PageInfo) Pagination {
	return Pagination{
		CurrentPage: p.page, TotalPages: info.Pages, TotalRecords: info.Total, PageSize: p.limit,
		HasNext: int64(p.page) < info.Pages, HasPrev: p.page > 1, Snapshot: snapshotText(info.Snapshot),
	}
}

// answerPage writes the page. Records are encoded one by one, so that a page is in memory once.
func answerPage[R any](w http.ResponseWriter, r *http.Request, room string, records []R, p Pagination) error {
	pageHeaders(w.Header(), r, p)
	out := newStream(w)
	out.text(`{"room_id":`)
	out.value(room)
	out.text(`,"records":[`)
	for i := range records {
		out.element(i, records[i])
	}
	out.text(`],"pagination":`)
	out.value(p)
	out.text("}\n")
	return out.end()
}

// pageHeaders writes X-Total-Count and Link. The links keep the parameters of the request and carry the snapshot, so that following them walks one
// frozen range.
func pageHeaders(h http.Header, r *http.Request, p Pagination) {
	h.Set("X-Total-Count", strconv.FormatInt(p.TotalRecords, 10))
	last := max(p.TotalPages, 1)
	q := r.URL.Query()
	q.Set("snapshot", p.Snapshot)
	q.Del("min_watermark") // the snapshot has it
	var links []string
	add := func(rel string, n int64) { links = append(links, link(r.URL.Path, q, n, rel)) }
	add("first", 1)
	if p.HasPrev {
		add("prev", min(int64(p.CurrentPage-1), last))
	}
	if p.HasNext {
		add("next", int64(p.CurrentPage+1))
	}
	add("last", last)
	h.Set("Link", strings.Join(links, ", "))
}

func link(path string, q url.Values, n int64, rel string) string {
	q.Set("page", strconv.FormatInt(n, 10))
	u := url.URL{Path: path, RawQuery: q.Encode()}
	return "<" + u.String() + `>; rel="` + rel + `"`
}
