package gateway

import "sync/atomic"

// Bounds over all rooms and connections of a gateway. Beyond them every room keeps its share only, and a connection that lags is closed
// (4101) long before its own bound.
const (
	ringsBytes  = 128 << 20 // of all rings
	recentTotal = 64 << 20  // of what all partitions keep for rooms that are entered later
	queuesBytes = 1 << 30   // of all connections; a frame counts for each
	queueShare  = 64 << 10  // what may wait for a connection while all queues together are over their bound
	ringRecord  = 64        // what a record costs beside its frame
)

// memory counts what a gateway holds for its members. The zero value is ready.
type memory struct {
	rings     atomic.Int64 // how many
	ringBytes atomic.Int64
	dropped   atomic.Int64 // records that rings gave up below their own bound
	queued    atomic.Int64 // bytes of all queues
}

// share is how many bytes a ring may hold now.
func (m *memory) share() int {
	return min(ringBytes, ringsBytes/int(max(1, m.rings.Load())))
}

// queueLimit is how many bytes may wait for a connection whose own bound is own.
func (m *memory) queueLimit(own int) int {
	if m.queued.Load() > queuesBytes {
		return min(own, queueShare)
	}
	return own
}
