package rooms

import (
	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// applyRecord is called by the table, in log order.
func (d *Directory) applyRecord(rec kafkalog.Record) {
	r, ok, err := decodeRegister(rec)
	if err != nil {
		d.mu.Lock()
		d.broken++
		d.mu.Unlock()
		return
	}
	if !ok || !d.apply(r) {
		return
	}
	for _, f := range d.watchers {
		f(r)
	}
}

// apply sets a register if its seq is the greatest so far, and tells whether it did. Nothing unsets a closing: no event opens a room again.
func (d *Directory) apply(r Register) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, known := d.register(r.Key)
	wins := !known || r.Seq() > old.Seq()
	if known && !wins && r.Seq() != old.Seq() {
		d.regressed[r.Key] = true
	} else {
		delete(d.regressed, r.Key)
	}
	if !wins {
		return false
	}
	d.set(r)
	close(d.changed)
	d.changed = make(chan struct{})
	return true
}

func (d *Directory) set(r Register) {
	s := d.rooms[r.Key.Room]
	if s == nil {
		s = &state{}
		d.rooms[r.Key.Room] = s
	}
	switch v := r.Value.(type) {
	case event.MetaRegister:
		s.meta = &v
	case event.ClosedRegister:
		s.closed = &v
	case event.AdminsRegister:
		s.admins = v
	case event.StatsRegister:
		s.stats = v
	case event.FlagRegister:
		if s.flags == nil {
			s.flags = map[event.Aspect]map[string]event.FlagRegister{}
		}
		if s.flags[r.Key.Aspect] == nil {
			s.flags[r.Key.Aspect] = map[string]event.FlagRegister{}
		}
		s.flags[r.Key.Aspect][r.Key.User] = v
	}
}

// register reads one register; the lock is held.
func (d *Directory) register(key event.RegisterKey) (Register, bool) {
	s := d.rooms[key.Room]
	if s == nil {
		return Register{}, false
	}
	r := Register{Key: key}
	ok := false
	switch key.Aspect {
	case event.AspectMeta:
		if ok = s.meta != nil; ok {
			r.Value = *s.meta
		}
	case event.AspectClosed:
		if ok = s.closed != nil; ok {
			r.Value = *s.closed
		}
	case event.AspectAdmins:
		r.Value, ok = s.admins, s.admins.Seq != 0
	case event.AspectStats:
		r.Value, ok = s.stats, s.stats.Seq != 0
	case event.AspectBan, event.AspectMute:
		r.Value, ok = s.flags[key.Aspect][key.User]
	}
	return r, ok
}
