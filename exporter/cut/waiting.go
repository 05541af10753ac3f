// Package cut keeps a partition's records that wait for a delivery, and decides when a room's waiting records become one: when they are
// as many or as big as a body may be, when the first is older than the interval, and early when the buffers are full. It is pure: time is
// an argument. Its promise: whatever the order of calls, a proposal holds consecutive waiting records of one room, within the bounds.
package cut

import "container/heap"

// Item is one waiting record, encoded as it will stand in the body.
type Item struct {
	Offset    int64
	CreatedAt int64 // Unix milliseconds, never less than that of an earlier item
	Body      []byte
}

// itemOverhead is what an item takes beside its bytes.
const itemOverhead = 64

// Size is what the item counts against the buffers, in bytes.
func (it Item) Size() int64 { return int64(len(it.Body)) + itemOverhead }

// Rules bound a delivery.
type Rules struct {
	Records    int   // at most so many records, >= 1
	Bytes      int   // at most so many bytes of items and separators; one item that is bigger goes alone
	IntervalMS int64 // a first record this old is cut; 0 = at once
}

// Reason tells why a cut is proposed.
type Reason string

// The reasons for a cut.
const (
	Full  Reason = "full"  // the bounds are reached
	Age   Reason = "age"   // the first record is older than the interval
	Early Reason = "early" // the buffers are full
	Gap   Reason = "gap"   // a cut behind these records holds already
)

// Proposal is a cut that should be journalled.
type Proposal struct {
	Room        string
	Items       []Item // the waiting records themselves; do not change them
	IsLastBatch bool   // nothing of the room waits behind it
	Reason      Reason
}

// Waiting holds the records of one partition that are in no accepted cut yet. It is not safe for concurrent use.
type Waiting struct {
	rules Rules
	rooms map[string]*room
	ages  ages
	full  map[string]*room // rooms that may have a full batch
	gaps  map[string]int64 // rooms with a later cut that holds: records below that offset go now
	bytes int64
	idle  int64
}

type room struct {
	id       string
	items    []Item
	bytes    int64 // of the items in a body, with separators
	size     int64 // of the items in the buffers
	idle     int64 // what of it is in Waiting.idle
	proposed int   // proposals whose fate is not known; the room is left alone until it is
	index    int   // in ages, -1 when not there
}

// New returns an empty Waiting.
func New(r Rules) *Waiting {
	return &Waiting{rules: r, rooms: map[string]*room{}, full: map[string]*room{}, gaps: map[string]int64{}}
}

// Bytes is what waits, as Item.Size counts.
func (w *Waiting) Bytes() int64 { return w.bytes }

// Idle is the part of Bytes that is in no proposal.
func (w *Waiting) Idle() int64 { return w.idle }

// Add puts a record behind those of its room. Offsets of a room must ascend.
func (w *Waiting) Add(id string, it Item) {
	r := w.rooms[id]
	if r == nil {
		r = &room{id: id, index: -1}
		w.rooms[id] = r
	}
	r.items = append(r.items, it)
	r.bytes += inBody(it)
	r.size += it.Size()
	w.bytes += it.Size()
	w.order(r)
}

// Lowest returns the lowest waiting offset, or -1.
func (w *Waiting) Lowest() int64 { return w.least(func(it Item) int64 { return it.Offset }) }

// Oldest returns the created_at of the oldest waiting record, or -1.
func (w *Waiting) Oldest() int64 { return w.least(func(it Item) int64 { return it.CreatedAt }) }

func (w *Waiting) least(of func(Item) int64) int64 {
	low := int64(-1)
	for _, r := range w.rooms {
		if len(r.items) == 0 {
			continue
		}
		if v := of(r.items[0]); low < 0 || v < low {
			low = v
		}
	}
	return low
}

// First returns the lowest waiting offset of a room, or -1.
func (w *Waiting) First(id string) int64 {
	if r := w.rooms[id]; r != nil && len(r.items) > 0 {
		return r.items[0].Offset
	}
	return -1
}

// Take removes the waiting records of a room with first <= offset <= last: a cut of them holds. What the room has below first waits no
// longer than the next call of Ready.
func (w *Waiting) Take(id string, first, last int64) []Item {
	r := w.rooms[id]
	if r == nil {
		return nil
	}
	i := 0
	for i < len(r.items) && r.items[i].Offset < first {
		i++
	}
	j := i
	for j < len(r.items) && r.items[j].Offset <= last {
		j++
	}
	taken := append([]Item(nil), r.items[i:j]...)
	for _, it := range taken {
		r.bytes -= inBody(it)
		r.size -= it.Size()
		w.bytes -= it.Size()
	}
	if i == 0 {
		r.items = r.items[j:]
	} else {
		r.items = append(append([]Item(nil), r.items[:i]...), r.items[j:]...)
		w.gaps[id] = first
	}
	w.order(r)
	return taken
}

// Resolved tells that the fate of one proposal of the room is known.
func (w *Waiting) Resolved(id string) {
	if r := w.rooms[id]; r != nil && r.proposed > 0 {
		r.proposed--
		w.order(r)
	}
}

// order puts a room where Due and Ready find it, or forgets it.
func (w *Waiting) order(r *room) {
	w.idle -= r.idle
	if r.idle = 0; r.proposed == 0 {
		r.idle = r.size
	}
	w.idle += r.idle
	asleep := len(r.items) == 0 || r.proposed > 0
	switch {
	case asleep && r.index >= 0:
		heap.Remove(&w.ages, r.index)
	case !asleep && r.index < 0:
		heap.Push(&w.ages, r)
	case !asleep:
		heap.Fix(&w.ages, r.index)
	}
	if !asleep && (len(r.items) >= w.rules.Records || r.bytes >= int64(w.rules.Bytes)) {
		w.full[r.id] = r
	} else {
		delete(w.full, r.id)
	}
	if len(r.items) == 0 {
		delete(w.gaps, r.id)
		if r.proposed == 0 {
			delete(w.rooms, r.id)
		}
	}
}

// inBody is what an item takes in a body, with its separator.
func inBody(it Item) int64 { return int64(len(it.Body)) + 1 }

// ages is a heap of rooms by the created_at of their first waiting record.
type ages []*room

func (a ages) Len() int           { return len(a) }
func (a ages) Less(i, j int) bool { return a[i].items[0].CreatedAt < a[j].items[0].CreatedAt }
func (a ages) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is for container/heap.
func (a *ages) Push(x any) {
	r := x.(*room)
	r.index = len(*a)
	*a = append(*a, r)
}

// Pop is for container/heap.
func (a *ages) Pop() any {
	old := *a
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	r.index = -1
	return r
}
