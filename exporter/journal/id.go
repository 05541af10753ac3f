package journal

import (
	"errors"
	"strconv"
	"strings"
)

// ID names a delivery: stream:epoch:partition:room:first offset, and a suffix. A room_id holds no colon, so it is read back without doubt;
// all of it may stand in a header.
type ID struct {
	Stream    string
	Epoch     int
	Partition int
	Room      string
	First     int64
	Suffix    string // "" for a batch; halves of a split .0 and .1; room events tell body version and case: 1s, 1p
}

var errID = errors.New("not a delivery id")

// String returns the id as receivers see it.
func (id ID) String() string {
	s := id.Stream + ":" + strconv.Itoa(id.Epoch) + ":" + strconv.Itoa(id.Partition) + ":" + id.Room + ":" + strconv.FormatInt(id.First, 10)
	if id.Suffix != "" && id.Suffix[0] != '.' {
		s += ":"
	}
	return s + id.Suffix
}

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) < 5 || p[0] == "" || p[3] == "" {
		return ID{}, errID
	}
	id := ID{Stream: p[0], Room: p[3]}
	first := p[4]
	if len(p) == 6 {
		id.Suffix = p[5]
	} else if i := strings.IndexByte(first, '.'); i >= 0 {
		first, id.Suffix = first[:i], first[i:]
	}
	var errs [3]error
	id.Epoch, errs[0] = strconv.Atoi(p[1])
	id.Partition, errs[1] = strconv.Atoi(p[2])
	id.First, errs[2] = strconv.ParseInt(first, 10, 64)
	if errors.Join(errs[:]...) != nil {
		return ID{}, errID
	}
	return id, nil
}
