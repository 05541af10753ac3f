package gateway

// Bounds of what a room keeps for members that come back.
const (
	ringRecords = 256
	ringBytes   = 256 << 10
)

// ring holds the newest records of a room as they were shown, without a hole: every record of the room above floor is in it.
type ring struct {
	floor  uint64
	frames []shown
	bytes  int
}

// shown is one record as members saw it.
type shown struct {
	seq   uint64
	frame []byte
}

// begin tells that every record with a greater seq will be added.
func (r *ring) begin(floor uint64) { r.floor = floor }

func (r *ring) add(seq uint64, frame []byte) {
	r.frames = append(r.frames, shown{seq, frame})
	r.bytes += len(frame)
	drop := 0
	for r.bytes > ringBytes || len(r.frames)-drop > ringRecords {
		r.floor = r.frames[drop].seq
		r.bytes -= len(r.frames[drop].frame)
		r.frames[drop] = shown{}
		drop++
	}
	r.frames = r.frames[drop:]
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
