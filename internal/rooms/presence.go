package rooms

import (
	"context"
	"encoding/json"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// Times of the topic gateways. They are log time: the running maximum of the record times, so that no reader's clock matters, and an outage
// of the log lets nobody die.
const (
	HeartbeatEvery = 2 * time.Second
	LiveFor        = 6 * time.Second // an incarnation without a heartbeat for longer is not counted
	forgetAfter    = time.Hour       // the topic's retention
)

// probePrefix starts the keys of the reaper's probes. An incarnation is "ID-EPOCH", so it cannot start so.
const probePrefix = "_probe|"

// incarnation is what the topic tells of one.
type incarnation struct {
	beatMS  int64 // log time of the last heartbeat; 0 = none seen
	seenMS  int64 // log time of the last record about it
	members int
	rooms   map[string]int
	silence
}

// silence is what our own probes tell of the time since a heartbeat.
type silence struct {
	probes      int
	first, last int64 // log times of the first and the last probe without a heartbeat before it
}

// Presence is the projection of the topic gateways. It is safe for concurrent use.
type Presence struct {
	table *kafkalog.Table
	probe string // our own probes' key

	mu    sync.RWMutex
	now   int64 // log time, Unix milliseconds
	alive map[string]*incarnation
	all   silence // of incarnations that never showed a heartbeat
}

// OpenPresence prepares the projection; Run fills it.
func OpenPresence(l *kafkalog.Log) *Presence {
	p := newPresence()
	p.table = l.OpenTable(event.Gateways, p.apply)
	return p
}

func newPresence() *Presence {
	return &Presence{probe: probePrefix + uuid.NewString(), alive: map[string]*incarnation{}}
}

// Run follows the topic until ctx ends.
func (p *Presence) Run(ctx context.Context) error { return p.table.Run(ctx) }

// Ready is closed when everything that was in the topic at the start of Run has been applied.
func (p *Presence) Ready() <-chan struct{} { return p.table.Ready() }

// Count returns the members of a room over all live incarnations, but for the one named except (empty: none), whose owner knows better.
func (p *Presence) Count(room, except string) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var n int64
	for id, inc := range p.alive {
		if id != except && p.live(inc) {
			n += int64(inc.rooms[room])
		}
	}
	return n
}

// Counts returns the members of every room that has some, over all live incarnations.
func (p *Presence) Counts() map[string]int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := map[string]int64{}
	for _, inc := range p.alive {
		if !p.live(inc) {
			continue
		}
		for room, n := range inc.rooms {
			if n > 0 {
				out[room] += int64(n)
			}
		}
	}
	return out
}

// Live returns the live incarnations in ascending order.
func (p *Presence) Live() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []string
	for id, inc := range p.alive {
		if p.live(inc) {
			out = append(out, id)
		}
	}
	sort.Strings(out)
	return out
}

// LastHeartbeat returns the log time (Unix milliseconds) of an incarnation's last heartbeat; ok is false if none is known, also after a
// tombstone.
func (p *Presence) LastHeartbeat(incarnation string) (ms int64, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	inc := p.alive[incarnation]
	if inc == nil || inc.beatMS == 0 {
		return 0, false
	}
	return inc.beatMS, true
}

// Silence returns how many of this Presence's own probes (see Reporter.Probe) stand in the log without a heartbeat of the incarnation behind
// the first of them, and the log time that they span. A heartbeat starts it anew; probes from before Run count for nothing.
func (p *Presence) Silence(incarnation string) (probes int, span time.Duration) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s := p.all
	if inc := p.alive[incarnation]; inc != nil && inc.beatMS != 0 {
		s = inc.silence
	}
	return s.probes, time.Duration(s.last-s.first) * time.Millisecond
}

// ProbeKey is the key under which Reporter.Probe writes for this Presence.
func (p *Presence) ProbeKey() string { return p.probe }

func (p *Presence) live(inc *incarnation) bool {
	return inc.beatMS != 0 && p.now-inc.beatMS <= LiveFor.Milliseconds()
}

// apply is called by the table, in log order.
func (p *Presence) apply(rec kafkalog.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = max(p.now, rec.Time)
	key := string(rec.Key)
	if strings.HasPrefix(key, probePrefix) {
		p.applyProbe(key, rec.Value != nil)
		return
	}
	id, room, isCount := strings.Cut(key, "|")
	switch {
	case rec.Value == nil && isCount:
		if inc := p.alive[id]; inc != nil {
			delete(inc.rooms, room)
		}
	case rec.Value == nil:
		delete(p.alive, id)
	case isCount:
		var v event.MemberCount
		if json.Unmarshal(rec.Value, &v) == nil {
			p.of(id).rooms[room] = v.Count
		}
	default:
		var v event.Heartbeat
		if json.Unmarshal(rec.Value, &v) == nil {
			inc := p.of(id)
			inc.beatMS, inc.members, inc.silence = p.now, v.Members, silence{}
			p.forget()
		}
	}
}

func (p *Presence) applyProbe(key string, written bool) {
	if key != p.probe || !written {
		return
	}
	p.all.add(p.now)
	for _, inc := range p.alive {
		inc.add(p.now)
	}
}

// forget drops incarnations that the topic itself has forgotten.
func (p *Presence) forget() {
	for id, inc := range p.alive {
		if p.now-inc.seenMS > forgetAfter.Milliseconds() {
			delete(p.alive, id)
		}
	}
}

func (s *silence) add(now int64) {
	if s.probes == 0 {
		s.first = now
	}
	s.probes++
	s.last = now
}

func (p *Presence) of(id string) *incarnation {
	inc := p.alive[id]
	if inc == nil {
		inc = &incarnation{rooms: map[string]int{}}
		p.alive[id] = inc
	}
	inc.seenMS = p.now
	return inc
}
