package history

import (
	"math"
	"strings"
	"time"

	"splitsync/event"
)

const hourMS = int64(time.Hour / time.Millisecond)

// endOfTime is the last time that both ClickHouse's DateTime64(3) and DateTime can hold, in Unix milliseconds.
const endOfTime = int64(event.MaxTimeMS)

// Window bounds what a query sees. The zero value of a bound means that there is none. All bounds hold.
type Window struct {
	FromMS, ToMS *int64 // Unix milliseconds, inclusive
	AfterSeq     uint64 // exclusive
	BeforeSeq    uint64 // exclusive; 0 = none
	Snapshot     uint64 // inclusive; 0 = what is complete now: what came behind it is not seen
}

// seqs returns the range of seqs that the window allows, both ends inclusive. It is empty when low > high.
func (w Window) seqs() (low, high uint64) {
	if w.AfterSeq == math.MaxUint64 {
		return 1, 0
	}
	if w.AfterSeq > 0 {
		low = w.AfterSeq + 1
	}
	high = math.MaxUint64 - 1
	if w.BeforeSeq > 0 {
		high = w.BeforeSeq - 1
	}
	if w.Snapshot > 0 {
		high = min(high, w.Snapshot)
	}
	return low, high
}

// bounds returns the first and the last millisecond that the window allows.
func (w Window) bounds() (from, to int64) {
	to = endOfTime
	if w.FromMS != nil {
		from = max(0, *w.FromMS)
	}
	if w.ToMS != nil {
		to = min(to, *w.ToMS)
	}
	return from, to
}

// keep cuts the window at the first millisecond that HISTORY_TTL_DAYS keeps.
func (w Window) keep(ttlDays int, now time.Time) Window {
	if ttlDays <= 0 {
		return w
	}
	from, _ := w.bounds()
	from = max(from, firstKept(ttlDays, now))
	w.FromMS = &from
	return w
}

// firstKept is the beginning of the first whole hour that is not older than the TTL, in Unix milliseconds: rows and sets before it may be
// deleted already, the one without the other.
func firstKept(ttlDays int, now time.Time) int64 {
	return (now.Add(-time.Duration(ttlDays)*24*time.Hour).UnixMilli()/hourMS + 1) * hourMS
}

// Page says which page is wanted.
type Page struct {
	Number int  // from 1
	Size   int  // from 1
	Asc    bool // oldest first; else newest first
}

// PageInfo tells about all pages of a query.
type PageInfo struct {
	Total    int64  // records on all pages, exact
	Pages    int64  // ceil(Total / Size)
	Snapshot uint64 // give it to the next call, so that pages do not shift under writes; 0 = nothing yet
}

func (p Page) info(total int64, snapshot uint64) PageInfo {
	return PageInfo{Total: total, Pages: (total + int64(p.Size) - 1) / int64(p.Size), Snapshot: snapshot}
}

// run returns which records of total, counted from the oldest, are on the page; take is 0 behind the last page.
func (p Page) run(total int64) (first, take int64) {
	if int64(p.Number-1) > total/int64(p.Size) {
		return 0, 0
	}
	skip := int64(p.Number-1) * int64(p.Size)
	take = max(0, min(int64(p.Size), total-skip))
	if p.Asc {
		return skip, take
	}
	return total - skip - take, take
}

// direction returns the SQL word of an order.
func direction(asc bool) string {
	if asc {
		return "ASC"
	}
	return "DESC"
}

// in renders a list of values as SQL placeholders.
func in(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }
