package history

import (
	"context"
	"fmt"
	"math"
	"strings"
)

// scope is a room's rows of one table under a window: where they stand, and which sets count them by the hour.
type scope struct {
	room      string
	window    Window
	rows      string // table of the rows
	time      string // its time column
	id        string // the column that orders rows of one time, and names a row in the sets
	key       string // the column whose values the window's seqs bound
	hours     string // table of the sets
	set       string // the set of ids
	keys      string // the set of keys
	filter    string // condition on both tables, with args
	args      []any
	rowFilter string // condition on the rows only
}

// countable tells whether a range of keys can be counted in the set: it holds them.
func (c *scope) countable() bool { return c.set == c.keys }

// hour is one hour of a scope.
type hour struct {
	start int64  // Unix milliseconds
	count int64  // its records in the window
	below int64  // elements of its set that come before them
	all   int64  // elements of its set
	low   uint64 // the least and the greatest of them
	high  uint64
	run   bool // the records are consecutive elements of the set
}

// ordered tells whether the order of the hour's set is the order of its rows: true within one epoch of the log, but not for imports
// (epoch 0), whose times are those of an older system.
func (h *hour) ordered() bool { return h.run && h.low>>48 == h.high>>48 && h.low>>48 > 0 }

// load counts the records of a scope by the hour, oldest first; hours without any are left out. An hour that the window cuts is counted in
// its set, or live.
func (s *Store) load(ctx context.Context, c *scope) ([]hour, error) {
	from, to := c.window.bounds()
	low, high := c.window.seqs()
	if from > to || low > high {
		return nil, nil
	}
	var hours []hour
	var bySet, live []int
	err := s.sets(ctx, c, func(h hour, leastKey, greatestKey uint64) {
		h.run = true
		whole := leastKey >= low && greatestKey <= high
		switch {
		case h.all == 0 || greatestKey < low || leastKey > high:
			return
		case h.start < from || h.start+hourMS-1 > to || !whole && !c.countable():
			h.run = c.countable() || whole
			live = append(live, len(hours))
		case !whole:
			bySet = append(bySet, len(hours))
		default:
			h.count = h.all
		}
		hours = append(hours, h)
	})
	if err != nil {
		return nil, err
	}
	if err := s.recount(ctx, hours, bySet, c.countSets); err != nil {
		return nil, err
	}
	if err := s.recount(ctx, hours, live, c.countLive); err != nil {
		return nil, err
	}
	kept := hours[:0]
	for _, h := range hours {
		if h.count > 0 {
			kept = append(kept, h)
		}
	}
	return kept, nil
}

// sets calls f for every hour that the window touches, oldest first.
func (s *Store) sets(ctx context.Context, c *scope, f func(h hour, leastKey, greatestKey uint64)) error {
	from, to := c.window.bounds()
	query := "SELECT toUnixTimestamp(hour), bitmapCardinality(a), bitmapMin(a), bitmapMax(a), bitmapMin(k), bitmapMax(k) FROM (" +
		"SELECT hour, groupBitmapMergeState(" + c.set + ") AS a, " + c.keySet() + " AS k FROM " + s.table(c.hours) +
		" WHERE room_id = ?" + c.filter + " AND hour >= toDateTime(?, 'UTC') AND hour <= toDateTime(?, 'UTC') GROUP BY hour) ORDER BY hour" +
		" SETTINGS optimize_aggregation_in_order = 1"
	args := append([]any{c.room}, c.args...)
	rows, err := s.conn.Query(ctx, query, append(args, from/hourMS*3600, to/hourMS*3600)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var at uint32
		var all, least, greatest uint64
		var h hour
		if err := rows.Scan(&at, &all, &h.low, &h.high, &least, &greatest); err != nil {
			return err
		}
		h.start, h.all = int64(at)*1000, int64(all)
		f(h, least, greatest)
	}
	return rows.Err()
}

func (c *scope) keySet() string {
	if c.countable() {
		return "a"
	}
	return "groupBitmapMergeState(" + c.keys + ")"
}

// recount sets count and below of some hours from a query that gives hour (Unix seconds), count, below.
func (s *Store) recount(ctx context.Context, hours []hour, which []int, query func(s *Store, hours []hour) (string, []any)) error {
	if len(which) == 0 {
		return nil
	}
	at := make(map[int64]int, len(which))
	picked := make([]hour, len(which))
	for i, n := range which {
		at[hours[n].start], picked[i] = n, hours[n]
	}
	text, args := query(s, picked)
	rows, err := s.conn.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var hour uint32
		var count, below uint64
		if err := rows.Scan(&hour, &count, &below); err != nil {
			return err
		}
		if n, ok := at[int64(hour)*1000]; ok {
			hours[n].count, hours[n].below = int64(count), int64(below)
		}
	}
	return rows.Err()
}

// countSets counts hours whose times are all in the window in their sets.
func (c *scope) countSets(s *Store, hours []hour) (string, []any) {
	low, high := c.window.seqs()
	below := "toUInt64(0)"
	if low > 0 {
		below = countIn("a", 0, low-1)
	}
	list := make([]string, len(hours))
	for i, h := range hours {
		list[i] = fmt.Sprint(h.start / 1000)
	}
	return "SELECT toUnixTimestamp(hour), " + countIn("a", low, high) + ", " + below + " FROM (SELECT hour, groupBitmapMergeState(" + c.set + ") AS a FROM " +
		s.table(c.hours) + " WHERE room_id = ?" + c.filter + " AND hour IN (" + strings.Join(list, ", ") + ") GROUP BY hour)", append([]any{c.room}, c.args...)
}

// countIn renders how many elements of a set lie between two values, both inclusive.
func countIn(set string, low, high uint64) string {
	return fmt.Sprintf("if(bitmapCardinality(%[1]s) > %[4]d, bitmapCardinality(bitmapSubsetInRange(%[1]s, toUInt64(%[2]d), toUInt64(%[3]d))), "+
		"toUInt64(arrayCount(x -> x >= %[2]d AND x < %[3]d, bitmapToArray(%[1]s))))", set, low, high+1, smallSet)
}

// manyHours is the number of hours that are named one by one; more are read as one range.
const manyHours = 100

// countLive counts hours in the rows.
func (c *scope) countLive(s *Store, hours []hour) (string, []any) {
	from, to := c.window.bounds()
	low, high := c.window.seqs()
	ranges := make([]string, 0, len(hours))
	for _, h := range hours {
		ranges = append(ranges, fmt.Sprintf("%[1]s >= %[2]s AND %[1]s < %[3]s", c.time, at(h.start), at(h.start+hourMS)))
	}
	if len(hours) > manyHours {
		ranges = []string{fmt.Sprintf("%[1]s >= %[2]s AND %[1]s < %[3]s", c.time, at(hours[0].start), at(hours[len(hours)-1].start+hourMS))}
	}
	query := fmt.Sprintf("SELECT toUnixTimestamp(toStartOfHour(%[1]s)) AS h, countIf(%[1]s >= %[2]s AND %[1]s <= %[3]s AND %[4]s >= %[5]d AND %[4]s <= %[6]d), "+
		"countIf(%[1]s < %[2]s OR %[4]s < %[5]d) FROM ", c.time, at(from), at(to), c.key, low, high)
	return query + s.table(c.rows) + " FINAL WHERE room_id = ?" + c.filter + c.rowFilter + " AND (" + strings.Join(ranges, " OR ") + ") GROUP BY h" + finalSettings,
		append([]any{c.room}, c.args...)
}

// span is what has to be read for consecutive records: rows with from <= time < to and low <= id <= high, without the first skip of the order.
type span struct {
	from, to  int64 // Unix milliseconds; to is exclusive
	low, high uint64
	skip      int64
	take      int64
}

const (
	// readable is the number of rows among which a page is looked for by reading them.
	readable = 20_000
	// smallSet is the size up to which ClickHouse 26.7 keeps a set as an unordered list: subBitmap then gives any elements, and
	// bitmapSubsetInRange is wrong above 2^32.
	smallSet = 32
)

// locate finds the span of take records, the first being number first, counted from the oldest. Where the hours are big, their sets tell
// between which ids the records lie.
func (s *Store) locate(ctx context.Context, c *scope, hours []hour, first, take int64, asc bool) (span, error) {
	i := 0
	for ; first >= hours[i].count; i++ {
		first -= hours[i].count
	}
	j, have, all, ordered := i, hours[i].count, hours[i].all, hours[i].ordered()
	for ; have < first+take; have += hours[j].count {
		j++
		all += hours[j].all
		ordered = ordered && hours[j].ordered() && hours[j].low > hours[j-1].high
	}
	from, to := c.window.bounds()
	out := span{
		from: max(from, hours[i].start), to: min(to+1, hours[j].start+hourMS), high: math.MaxUint64, skip: first, take: take,
	}
	if !asc {
		out.skip = have - first - take
	}
	if !ordered || all <= max(s.readable, smallSet) {
		return out, nil
	}
	err := s.conn.QueryRow(ctx, fmt.Sprintf("SELECT bitmapMin(a), bitmapMax(a) FROM (SELECT subBitmap(groupBitmapMergeState(%s), %d, %d) AS a FROM ",
		c.set, hours[i].below+first, take)+s.table(c.hours)+" WHERE room_id = ?"+c.filter+
		fmt.Sprintf(" AND hour >= toDateTime(%d, 'UTC') AND hour <= toDateTime(%d, 'UTC'))", hours[i].start/1000, hours[j].start/1000),
		append([]any{c.room}, c.args...)...).Scan(&out.low, &out.high)
	out.skip = 0
	return out, err
}

// read returns the statement that reads a span.
func (c *scope) read(s *Store, fields string, p span, asc bool) (string, []any) {
	low, high := c.window.seqs()
	query := fmt.Sprintf("SELECT %s FROM %s FINAL WHERE room_id = ?%s%s AND %[5]s >= %[6]s AND %[5]s < %[7]s AND %[8]s >= %[9]d AND %[8]s <= %[10]d",
		fields, s.table(c.rows), c.filter, c.rowFilter, c.time, at(p.from), at(p.to), c.key, low, high)
	if p.low > 0 {
		query += fmt.Sprintf(" AND %[1]s >= %[2]d AND %[1]s <= %[3]d", c.id, p.low, p.high)
	}
	query += fmt.Sprintf(" ORDER BY %[1]s %[3]s, %[2]s %[3]s LIMIT %[4]d OFFSET %[5]d", c.time, c.id, direction(asc), p.take, p.skip)
	return query + finalSettings, append([]any{c.room}, c.args...)
}

// at renders Unix milliseconds as the time type of the tables.
func at(ms int64) string { return fmt.Sprintf("fromUnixTimestamp64Milli(toInt64(%d), 'UTC')", ms) }
