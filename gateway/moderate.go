package gateway

import (
	"context"
	"fmt"
	"time"

	"splitsync/event"
	"splitsync/internal/kafkalog"
	"splitsync/internal/rooms"
)

// registerWithin bounds a change of a room: the event durable and read back, its registers durable and applied here.
const registerWithin = 25 * time.Second

// moderate kicks, mutes or unmutes a user; admins only. The reply comes when the event and its register are durable; connections on every
// gateway follow the register.
func (c *conn) moderate(ctx context.Context, cmd command) {
	if !c.isAdmin() {
		c.fail(cmd.id, event.CodePermissionDenied, "admins only", 0)
		return
	}
	var in event.Target
	err := cmd.into(&in)
	if err == nil {
		err = event.CheckUser("user_id", in.UserID)
	}
	if err != nil {
		c.malformed(cmd.id, err)
		return
	}
	if err := c.s.writable(); err != nil {
		c.fail(cmd.id, event.CodeLogUnavailable, err.Error(), time.Second)
		return
	}
	var e event.Event
	switch room, by := c.member.room, c.member.user; cmd.typ {
	case event.CmdKickUser:
		e = event.NewUserBanned(room, in.UserID, by)
	case event.CmdMuteUser:
		e = event.NewUserMuted(room, in.UserID, by)
	default:
		e = event.NewUserUnmuted(room, in.UserID, by)
	}
	c.paused.Store(true)
	defer c.paused.Store(false)
	entry, err := c.s.change(ctx, c.part, e)
	if err != nil {
		c.failAppend(cmd.id, err)
		return
	}
	c.ack(cmd.id, entry.Facts)
}

// change appends an event of a room and writes its registers. When it returns nil both are durable and applied to the own directory.
// A duplicate sets nothing. When it fails after the event was durable the ingest owner of the partition writes the registers.
func (s *Server) change(ctx context.Context, p *partition, e event.Event) (kafkalog.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, registerWithin)
	defer cancel()
	entry, err := p.sessions.append(ctx, e)
	if err != nil {
		return entry, err
	}
	offset, err := s.writer.Put(ctx, rooms.Project(entry)...)
	if err == nil && offset >= 0 {
		err = s.dir.WaitFor(ctx, offset)
	}
	if err != nil {
		return entry, fmt.Errorf("%w: %w", kafkalog.ErrOutcomeUnknown, err)
	}
	return entry, nil
}

// followRegister makes connections follow a register; it is called in log order, whoever wrote it.
func (s *Server) followRegister(reg rooms.Register) {
	p := s.hub.find(reg.Key.Room)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[reg.Key.Room]
	if r == nil {
		return
	}
	flag, _ := reg.Value.(event.FlagRegister)
	switch reg.Key.Aspect {
	case event.AspectClosed:
		for c := range r.everyone() {
			c.shut(event.CloseRoomClosed, "room closed", event.LeaveRoomClosed)
		}
	case event.AspectBan:
		if flag.Active {
			r.kick(reg.Key.User)
		}
	case event.AspectMute:
		r.tellMute(reg.Key.User, flag.Active)
	}
}

func (r *room) kick(user string) {
	for c := range r.everyone() {
		if c.member.user == user {
			c.push(envelope(event.MsgYouAreKicked, nil, struct{}{}))
			c.shut(event.CloseBanned, "banned", event.LeaveKicked)
		}
	}
}

func (r *room) tellMute(user string, muted bool) {
	to, others := event.MsgYouAreUnmuted, event.MsgUserUnmuted
	if muted {
		to, others = event.MsgYouAreMuted, event.MsgUserMuted
	}
	nickname := user
	c := r.members[user]
	if c != nil {
		nickname = c.member.nickname
		c.push(envelope(to, nil, struct{}{}))
	}
	r.tell(envelope(others, nil, event.Member{UserID: user, Nickname: nickname}), c)
}
