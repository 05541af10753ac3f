package gateway

import "math"

// Bounds of what a room keeps for members that come back.
const (
	ringRecords = 256
	ringBytes   = 256 << 10
)

// ring holds the newest records of a room as they were shown, without a hole: every record of the room above floor is in it. When all
// rings together are at their bound it holds less.
type ring struct {
	all    *memory
	floor  uint64
	frames []shown
	bytes  int
}

// shown is one record as members saw it.
type shown struct {
	seq   uint64
	frame []byte
}

// begin tells that every record with a greater seq will be added. end gives back what the ring counts for.
func (r *ring) begin(floor uint64, all *memory) {
	r.floor, r.all = floor, all
	all.rings.Add(1)
}

// end forgets everything; nothing may be added any more.
func (r *ring) end() {
	if r.floor == math.MaxUint64 {
		return
	}
	r.all.rings.Add(-1)
	r.all.ringBytes.Add(int64(-r.bytes))
	r.floor, r.frames, r.bytes = math.MaxUint64, nil, 0
}

func (r *ring) add(seq uint64, frame []byte) {
	r.frames = append(r.frames, shown{seq, frame})
	r.count(len(frame) + ringRecord)
	r.trim()
}

// trim gives up the oldest records until the ring is within its bounds.
func (r *ring) trim() {
	share := r.all.share()
	drop := 0
	for ; drop < len(r.frames); drop++ {
		own := r.bytes > ringBytes || len(r.frames)-drop > ringRecords
		if !own && r.bytes <= share && r.all.ringBytes.Load() <= ringsBytes {
			break
		}
		if !own {
			r.all.dropped.Add(1)
		}
		r.floor = r.frames[drop].seq
		r.count(-len(r.frames[drop].frame) - ringRecord)
		r.frames[drop] = shown{}
	}
	r.frames = r.frames[drop:]
}

func (r *ring) count(bytes int) {
	r.bytes += bytes
	r.all.ringBytes.Add(int64(bytes))
}

// after returns the records above seq, oldest first; ok is false if some of them are not here any more.
func (r *ring) after(seq uint64) (frames []shown, ok bool) {
	if seq < r.floor {
		return nil, false
	}
	i := len(r.frames)
	for i > 0 && r.frames[i-1].seq > seq {
		i--
	}
	return r.frames[i:], true
}

// newest returns the last n records, or as many as there are, oldest first.
func (r *ring) newest(n int) []shown { return r.frames[max(0, len(r.frames)-n):] }

// before returns the last n records below seq, oldest first.
func (r *ring) before(seq uint64, n int) []shown {
	i := len(r.frames)
	for i > 0 && r.frames[i-1].seq >= seq {
		i--
	}
	return r.frames[max(0, i-n):i]
}
