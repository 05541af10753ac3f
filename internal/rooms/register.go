package rooms

import (
	"encoding/json"
	"fmt"

	"splitsync/event"
	"splitsync/internal/kafkalog"
)

// Register is one aspect of a room and its value, one of event.MetaRegister, ClosedRegister, AdminsRegister, FlagRegister and StatsRegister
// (not as pointers).
type Register struct {
	Key   event.RegisterKey
	Value any
}

// Seq is the seq of the event that the value comes from; 0 for a value of no register type.
func (r Register) Seq() uint64 {
	switch v := r.Value.(type) {
	case event.MetaRegister:
		return v.Seq
	case event.ClosedRegister:
		return v.Seq
	case event.AdminsRegister:
		return v.Seq
	case event.FlagRegister:
		return v.Seq
	case event.StatsRegister:
		return v.Seq
	}
	return 0
}

// Encode makes the record of the register for the topic rooms.
func (r Register) Encode() (kafkalog.Outgoing, error) {
	value, err := event.Marshal(r.Value)
	if err != nil {
		return kafkalog.Outgoing{}, fmt.Errorf("encode register %s of room %s: %w", r.Key.Aspect, r.Key.Room, err)
	}
	return kafkalog.Outgoing{Key: []byte(r.Key.String()), Value: value}, nil
}

// Project returns the registers that an entry of the topic sessions sets, in no particular order; none for entries that set nothing, that
// could not be decoded, or that are duplicates. It is a pure function of the entry, so that the gateway that appended it and the ingest
// owner that repairs after a crash write the same.
func Project(e kafkalog.Entry) []Register {
	if e.Err != nil || e.Event == nil || e.Duplicate {
		return nil
	}
	one := func(a event.Aspect, user string, value any) []Register {
		return []Register{{event.RegisterKey{Room: e.Event.Room(), Aspect: a, User: user}, value}}
	}
	flag := func(a event.Aspect, user, by string, active bool) []Register {
		return one(a, user, event.FlagRegister{Seq: e.Seq, Active: active, By: by})
	}
	switch ev := e.Event.(type) {
	case *event.RoomCreated:
		return append(
			one(event.AspectMeta, "", event.MetaRegister{Seq: e.Seq, RoomName: ev.RoomName, CreatedAtMS: e.CreatedAt}),
			one(event.AspectAdmins, "", event.AdminsRegister{Seq: e.Seq, AdminUserIDs: nonNil(ev.AdminUserIDs)})...)
	case *event.RoomClosed:
		return one(event.AspectClosed, "", event.ClosedRegister{Seq: e.Seq, ClosedAtMS: e.CreatedAt})
	case *event.AdminsChanged:
		return one(event.AspectAdmins, "", event.AdminsRegister{Seq: e.Seq, AdminUserIDs: nonNil(ev.AdminUserIDs)})
	case *event.UserBanned:
		return flag(event.AspectBan, ev.UserID, ev.By, true)
	case *event.UserUnbanned:
		return flag(event.AspectBan, ev.UserID, ev.By, false)
	case *event.UserMuted:
		return flag(event.AspectMute, ev.UserID, ev.By, true)
	case *event.UserUnmuted:
		return flag(event.AspectMute, ev.UserID, ev.By, false)
	}
	return nil
}

// decodeRegister reads a record of the topic rooms; ok is false for other records (the log register, unknown aspects, tombstones).
func decodeRegister(rec kafkalog.Record) (r Register, ok bool, err error) {
	if rec.Value == nil || string(rec.Key) == event.LogRegister {
		return Register{}, false, nil
	}
	if r.Key, ok = event.ParseRegisterKey(string(rec.Key)); !ok {
		return Register{}, false, nil
	}
	switch r.Key.Aspect {
	case event.AspectMeta:
		r.Value, err = decode[event.MetaRegister](rec.Value)
	case event.AspectClosed:
		r.Value, err = decode[event.ClosedRegister](rec.Value)
	case event.AspectAdmins:
		r.Value, err = decode[event.AdminsRegister](rec.Value)
	case event.AspectBan, event.AspectMute:
		r.Value, err = decode[event.FlagRegister](rec.Value)
	case event.AspectStats:
		r.Value, err = decode[event.StatsRegister](rec.Value)
	default:
		return Register{}, false, nil
	}
	return r, err == nil, err
}

func decode[T any](value []byte) (any, error) {
	var v T
	err := json.Unmarshal(value, &v)
	return v, err
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
