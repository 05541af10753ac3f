package syncapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"splitsync/event"
	"splitsync/internal/history"
)

// keep is the reference: the rows that hold, newest first unless asc.
func keep(rows []history.MessageRow, asc bool, hold func(history.MessageRow) bool) []event.ChatRecord {
	out := []event.ChatRecord{}
	for _, r := range rows {
		if hold(r) {
			out = append(out, record(r))
		}
	}
	slices.SortStableFunc(out, func(a, b event.ChatRecord) int { return int(int64(a.Seq) - int64(b.Seq)) })
	if !asc {
		slices.Reverse(out)
	}
	return out
}

func isMessage(r history.MessageRow) bool { return r.Kind == string(event.KindMessage) }

func TestChatPagesEqualTheReference(t *testing.T) {
	f := start(t, nil)
	rows := messages("lobby", 3000, 4000) // about 100 minutes
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: rows})
	f.insert(&history.Block{Messages: rows[100:1700]}) // a block again changes nothing
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("other", 2)}, Messages: messages("other", 50, 1000)})
	first, last, mid := rows[0].CreatedAt, rows[len(rows)-1].CreatedAt, rows[1500]
	rfc := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00") }
	for _, tc := range []struct {
		query string
		asc   bool
		hold  func(history.MessageRow) bool
	}{
		{"", false, isMessage},
		{"order=asc&limit=77", true, isMessage},
		{"limit=10000", false, isMessage},
		{"kinds=system_message", false, func(r history.MessageRow) bool { return !isMessage(r) }},
		{"kinds=message,system_message&limit=500", false, func(history.MessageRow) bool { return true }},
		{"kinds=custom_event", false, func(history.MessageRow) bool { return false }},
		{fmt.Sprintf("from=%d&limit=333", mid.CreatedAt), false, func(r history.MessageRow) bool { return isMessage(r) && r.CreatedAt >= mid.CreatedAt }},
		{fmt.Sprintf("to=%d", mid.CreatedAt), false, func(r history.MessageRow) bool { return isMessage(r) && r.CreatedAt <= mid.CreatedAt }},
		{fmt.Sprintf("to=%d", mid.CreatedAt/1000), false, func(r history.MessageRow) bool { return isMessage(r) && r.CreatedAt/1000 <= mid.CreatedAt/1000 }},
		{"from=" + rfc(first+60_000) + "&to=" + rfc(last-60_000) + "&order=asc", true, func(r history.MessageRow) bool {
			return isMessage(r) && r.CreatedAt >= first+60_000 && r.CreatedAt <= last-60_000
		}},
		{fmt.Sprintf("after_seq=%d&before_seq=%d&limit=100", rows[200].Seq, rows[900].Seq), false, func(r history.MessageRow) bool {
			return isMessage(r) && r.Seq > rows[200].Seq && r.Seq < rows[900].Seq
		}},
		{fmt.Sprintf("from=%d", last+1), false, func(history.MessageRow) bool { return false }},
	} {
		t.Run(tc.query, func(t *testing.T) {
			f.t = t
			want := keep(rows, tc.asc, tc.hold)
			got := f.walk("/management/sync/chat-history/lobby?"+tc.query, len(want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.3000s", diff)
			}
		})
	}
}

// walk follows the next links from path and returns all records. Totals have to be right on every page.
func (f *fixture) walk(path string, total int) []event.ChatRecord {
	f.t.Helper()
	out := []event.ChatRecord{}
	for n := 1; ; n++ {
		var p page[event.ChatRecord]
		h := f.get(path, &p)
		out = append(out, p.Records...)
		if p.Pagination.TotalRecords != int64(total) || h.Get("X-Total-Count") != fmt.Sprint(total) || p.Pagination.CurrentPage != n || p.RoomID != "lobby" {
			f.t.Fatalf("page %d: %+v, want %d records", n, p.Pagination, total)
		}
		links := parseLinks(f.t, h.Get("Link"))
		if p.Pagination.HasNext != (links["next"] != "") || p.Pagination.HasPrev != (links["prev"] != "") || links["first"] == "" || links["last"] == "" {
			f.t.Fatalf("page %d: %+v with links %v", n, p.Pagination, links)
		}
		if !p.Pagination.HasNext {
			return out
		}
		path = links["next"]
	}
}

func parseLinks(t *testing.T, header string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for part := range strings.SplitSeq(header, ", ") {
		target, rel, ok := strings.Cut(part, `>; rel="`)
		if !ok || target[0] != '<' {
			t.Fatalf("Link: %s", header)
		}
		out[strings.TrimSuffix(rel, `"`)] = target[1:]
	}
	return out
}

func TestSnapshotFreezesPages(t *testing.T) {
	f := start(t, nil)
	rows := messages("lobby", 400, 4000)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: rows[:300]})
	var p1, p2, fresh page[event.ChatRecord]
	h := f.get("/management/sync/chat-history/lobby?limit=100", &p1)
	f.insert(&history.Block{Messages: rows[300:]})
	f.get(parseLinks(t, h.Get("Link"))["next"], &p2)
	want := keep(rows[:300], false, isMessage)
	if diff := cmp.Diff(want[:200], append(p1.Records, p2.Records...)); diff != "" {
		t.Errorf("pages moved: %.2000s", diff)
	}
	if p2.Pagination.TotalRecords != int64(len(want)) || p2.Pagination.Snapshot != p1.Pagination.Snapshot {
		t.Errorf("%+v after %+v", p2.Pagination, p1.Pagination)
	}
	f.get("/management/sync/chat-history/lobby?limit=100", &fresh)
	if diff := cmp.Diff(keep(rows, false, isMessage)[:100], fresh.Records); diff != "" {
		t.Errorf("without snapshot: %.2000s", diff)
	}
}

func TestPageBehindTheLast(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Messages: messages("lobby", 20, 1000)})
	var p page[event.ChatRecord]
	h := f.get("/management/sync/chat-history/lobby?limit=10&page=9", &p)
	if len(p.Records) != 0 || p.Pagination.HasNext || !p.Pagination.HasPrev || p.Pagination.TotalPages != 2 {
		t.Errorf("%+v", p)
	}
	if prev := parseLinks(t, h.Get("Link"))["prev"]; !strings.Contains(prev, "page=2&") {
		t.Errorf("prev is %s", prev)
	}
}

func TestKnownAndUnknownRooms(t *testing.T) {
	f := start(t, nil)
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("empty", 1)}})
	for _, kind := range []string{"chat", "session"} {
		var p page[struct{}]
		f.get("/management/sync/"+kind+"-history/empty", &p)
		if p.RoomID != "empty" || p.Records == nil || len(p.Records) != 0 || p.Pagination.TotalPages != 0 || p.Pagination.HasNext {
			t.Errorf("%s: %+v", kind, p)
		}
		resp, body := f.do("GET", "/management/sync/"+kind+"-history/nobody")
		if resp.StatusCode != 404 || !strings.Contains(string(body), "room nobody not found") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
}

// sessions makes n sessions of a room; every fourth is open.
func sessions(room string, n int) []history.SessionRow {
	rows := make([]history.SessionRow, n)
	for i := range rows {
		join := noon + int64(i)*30_000
		rows[i] = history.SessionRow{RoomID: room, JoinTime: join, SessionID: fmt.Sprintf("s%04d", i), UserID: fmt.Sprint("u", i%5), Nickname: fmt.Sprint("nick ", i%5),
			Incarnation: "7-0", JoinSeq: epoch | uint64(100+2*i)}
		if i%4 != 3 {
			rows[i].LeaveSeq, rows[i].LeaveTime, rows[i].LeaveReason = epoch|uint64(101+2*i), join+90_500, string(event.LeaveLeft)
		}
	}
	return rows
}

func sessionRecord(r history.SessionRow) event.SessionRecord {
	out := event.SessionRecord{UserID: r.UserID, Nickname: r.Nickname, SessionID: r.SessionID, JoinTime: r.JoinTime / 1000, JoinTimeMS: r.JoinTime}
	if r.LeaveSeq != 0 {
		s, ms := r.LeaveTime/1000, r.LeaveTime
		out.LeaveTime, out.LeaveTimeMS, out.DurationSeconds, out.LeaveReason = &s, &ms, (ms-r.JoinTime)/1000, event.LeaveReason(r.LeaveReason)
	}
	return out
}

func TestSessionPagesEqualTheReference(t *testing.T) {
	f := start(t, nil)
	rows := sessions("lobby", 300) // two and a half hours
	var begins []history.SessionRow
	for _, r := range rows {
		r.LeaveSeq, r.LeaveTime, r.LeaveReason = 0, 0, ""
		begins = append(begins, r)
	}
	f.insert(&history.Block{Rooms: []history.RoomRow{roomRow("lobby", 1)}, Sessions: begins})
	f.insert(&history.Block{Sessions: rows})
	f.insert(&history.Block{Sessions: rows[:50]})
	f.insert(&history.Block{Sessions: begins[20:90]}) // a beginning that comes late opens nothing
	from, to := rows[40].JoinTime, rows[201].JoinTime
	for _, tc := range []struct {
		query string
		asc   bool
		hold  func(history.SessionRow) bool
	}{
		{"", false, func(r history.SessionRow) bool { return r.LeaveSeq != 0 }},
		{"include_open=true", false, func(history.SessionRow) bool { return true }},
		{fmt.Sprintf("order=asc&from=%d&to=%d", from, to), true, func(r history.SessionRow) bool {
			return r.LeaveSeq != 0 && r.JoinTime >= from && r.JoinTime <= to
		}},
		{fmt.Sprintf("after_seq=%d&before_seq=%d", rows[9].LeaveSeq, rows[60].LeaveSeq), false, func(r history.SessionRow) bool {
			return r.LeaveSeq > rows[9].LeaveSeq && r.LeaveSeq < rows[60].LeaveSeq
		}},
	} {
		t.Run(tc.query, func(t *testing.T) {
			f.t = t
			want, got := []event.SessionRecord{}, []event.SessionRecord{}
			for _, r := range rows {
				if tc.hold(r) {
					want = append(want, sessionRecord(r))
				}
			}
			if !tc.asc {
				slices.Reverse(want)
			}
			for path := "/management/sync/session-history/lobby?limit=37&" + tc.query; path != ""; {
				var p page[event.SessionRecord]
				h := f.get(path, &p)
				got = append(got, p.Records...)
				if p.Pagination.TotalRecords != int64(len(want)) {
					t.Fatalf("%+v, want %d", p.Pagination, len(want))
				}
				path = parseLinks(t, h.Get("Link"))["next"]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.3000s", diff)
			}
		})
	}
}

func TestRooms(t *testing.T) {
	f := start(t, nil)
	closed := history.RoomRow{RoomID: "b", Aspect: history.AspectClosed, Seq: epoch | 9, At: noon + 3600_000, AdminUserIDs: []string{}}
	f.insert(&history.Block{
		Rooms:    []history.RoomRow{roomRow("a", 1), roomRow("b", 2), closed, roomRow("c", 3)},
		Messages: messages("a", 30, 1000), Sessions: sessions("a", 8),
	})
	list := func(query string) (ids string, rooms []syncRoom, h http.Header) {
		h = f.get("/management/sync/rooms?"+query, &rooms)
		for _, r := range rooms {
			ids += r.RoomID
		}
		return ids, rooms, h
	}
	ids, rooms, h := list("")
	if ids != "abc" || h.Get("X-Total-Count") != "3" {
		t.Fatalf("%s, %v", ids, h)
	}
	a, b := rooms[0], rooms[1]
	if a.RoomName != "Room a" || fmt.Sprint(a.AdminUserIDs) != "[ann]" || a.CreatedAtMS != noon || a.CreatedAt != noon/1000 || a.TotalMessages != 27 ||
		a.TotalJoins != 8 || a.CurrentConnections != 2 || a.ClosedAt != nil || a.LastActivityMS < noon {
		t.Errorf("%+v", a)
	}
	if b.ClosedAtMS == nil || *b.ClosedAtMS != closed.At || *b.ClosedAt != closed.At/1000 {
		t.Errorf("%+v", b)
	}
	for query, want := range map[string]string{"state=open": "ac", "state=closed": "b", "state=all": "abc", "limit=2": "ab",
		"updated_since=" + url.QueryEscape(time.UnixMilli(noon+1).UTC().Format(time.RFC3339Nano)): "ab"} {
		if ids, _, _ := list(query); ids != want {
			t.Errorf("%s: %s, want %s", query, ids, want)
		}
	}
}
