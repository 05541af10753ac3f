package history

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"
)

const hourMS = int64(time.Hour / time.Millisecond)

// Window bounds what a query sees. The zero value of a bound means that there is none. All bounds hold.
type Window struct {
	FromMS, ToMS *int64 // Unix milliseconds, inclusive
	AfterSeq     uint64 // exclusive
	BeforeSeq    uint64 // exclusive; 0 = none
	Snapshot     uint64 // inclusive; 0 = none: what came behind it is not seen
}

// seqs returns the range of seqs that the window allows, both ends inclusive.
func (w Window) seqs() (low, high uint64) {
	high = math.MaxUint64 - 1
	if w.BeforeSeq > 0 {
		high = w.BeforeSeq - 1
	}
	if w.Snapshot > 0 {
		high = min(high, w.Snapshot)
	}
	return w.AfterSeq + 1, high
}

// bounds returns the first and the last millisecond that the window allows.
func (w Window) bounds() (from, to int64) {
	from, to = 0, math.MaxInt64/4
	if w.FromMS != nil {
		from = max(0, *w.FromMS)
	}
	if w.ToMS != nil {
		to = *w.ToMS
	}
	return from, to
}

// Page says which page is wanted.
type Page struct {
	Number int // from 1
	Size   int
	Asc    bool // oldest first; else newest first
}

// PageInfo tells about all pages of a query.
type PageInfo struct {
	Total    int64  // records on all pages, exact
	Pages    int64  // ceil(Total / Size)
	Snapshot uint64 // give it to the next call, so that pages do not shift under writes; 0 = nothing yet
}

// bucket is an hour with how many records of the window it has.
type bucket struct {
	start int64 // Unix milliseconds
	count int64
}

// span is what has to be read for a page: records with from <= time < to, without the first skip in the order of the page.
type span struct {
	from, to int64 // Unix milliseconds; to is exclusive
	skip     int64
}

// locate returns the span of a page; ok is false for a page behind the last one. buckets are in the order of the page.
func locate(buckets []bucket, p Page) (s span, ok bool) {
	skip := int64(p.Number-1) * int64(p.Size)
	i := 0
	for ; i < len(buckets) && skip >= buckets[i].count; i++ {
		skip -= buckets[i].count
	}
	if i == len(buckets) {
		return span{}, false
	}
	s = span{from: buckets[i].start, to: buckets[i].start + hourMS, skip: skip}
	for have := buckets[i].count - skip; have < int64(p.Size) && i+1 < len(buckets); {
		i++
		have += buckets[i].count
		s.from, s.to = min(s.from, buckets[i].start), max(s.to, buckets[i].start+hourMS)
	}
	return s, true
}

// clip keeps a span inside the window's times.
func (s span) clip(w Window) span {
	from, to := w.bounds()
	s.from, s.to = max(s.from, from), min(s.to, to+1)
	return s
}

func (p Page) info(buckets []bucket) PageInfo {
	var info PageInfo
	for _, b := range buckets {
		info.Total += b.count
	}
	info.Pages = (info.Total + int64(p.Size) - 1) / int64(p.Size)
	return info
}

// direction returns the SQL word of the page's order.
func (p Page) direction() string {
	if p.Asc {
		return "ASC"
	}
	return "DESC"
}

// hourly asks for buckets: query must give hour (Unix seconds), count and the greatest seq, for whole hours, in the order of the page.
func (s *Store) hourly(ctx context.Context, query string, args ...any) (buckets []bucket, greatest uint64, err error) {
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var hour uint32
		var count, seq uint64
		if err := rows.Scan(&hour, &count, &seq); err != nil {
			return nil, 0, err
		}
		if count > 0 {
			buckets = append(buckets, bucket{int64(hour) * 1000, int64(count)})
		}
		greatest = max(greatest, seq)
	}
	return buckets, greatest, rows.Err()
}

// recount replaces the counts of the hours that the window cuts, by counting live; count counts the records of a span.
func recount(buckets []bucket, w Window, count func(span) (int64, error)) ([]bucket, error) {
	from, to := w.bounds()
	kept := buckets[:0]
	for _, b := range buckets {
		if b.start < from || b.start+hourMS > to+1 {
			n, err := count(span{from: b.start, to: b.start + hourMS}.clip(w))
			if err != nil {
				return nil, err
			}
			b.count = n
		}
		if b.count > 0 {
			kept = append(kept, b)
		}
	}
	return kept, nil
}

// hours returns the first and last hour that the window touches, in Unix seconds.
func (w Window) hours() (first, last uint32) {
	from, to := w.bounds()
	clamp := func(ms int64) uint32 { return uint32(min(max(ms, 0)/hourMS*3600, math.MaxUint32)) }
	return clamp(from), clamp(to)
}

// inRange renders how many elements of a set lie between two seqs, both inclusive. A set that lies wholly inside or outside is not opened.
// (bitmapSubsetInRange is wrong in ClickHouse 26.7 for sets of up to 32 elements above 2^32.)
func inRange(set string, low, high uint64) string {
	return fmt.Sprintf("if(bitmapMin(%[1]s) >= %[2]d AND bitmapMax(%[1]s) <= %[3]d, bitmapCardinality(%[1]s), if(bitmapMax(%[1]s) < %[2]d OR bitmapMin(%[1]s) > %[3]d, 0, "+
		"toUInt64(arrayCount(x -> x >= %[2]d AND x <= %[3]d, bitmapToArray(%[1]s)))))", set, low, high)
}

// in renders a list of values as SQL placeholders.
func in(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// at renders Unix milliseconds as the time type of the tables.
func at(ms int64) string {
	return fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", min(ms, math.MaxInt64/4/1000))
}
