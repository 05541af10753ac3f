package gateway

import (
	"context"
	"encoding/json"
	"slices"

	"splitsync/event"
)

// Bounds of one answer.
const (
	maxHistory  = 100
	maxPresence = 1000
)

// historyRequest is the payload of History.
type historyRequest struct {
	BeforeSeq *uint64 `json:"before_seq"`
	AfterSeq  *uint64 `json:"after_seq"`
	Limit     *int    `json:"limit"`
}

// historyAnswer is the payload of the answer: the envelopes as members saw them, oldest first.
type historyAnswer struct {
	Records []json.RawMessage `json:"records"`
	HasMore bool              `json:"has_more"`
}

// history answers from what this gateway still holds of the room; 112 says that older records are asked for.
func (c *conn) history(_ context.Context, cmd command) {
	var in historyRequest
	err := cmd.into(&in)
	limit := maxHistory
	switch {
	case err != nil:
	case in.Limit != nil && (*in.Limit < 1 || *in.Limit > maxHistory):
		err = field("limit", "must be 1 to 100")
	case in.BeforeSeq != nil && in.AfterSeq != nil:
		err = field("after_seq", "excludes before_seq")
	case in.Limit != nil:
		limit = *in.Limit
	}
	if err != nil {
		c.malformed(cmd.id, err)
		return
	}
	c.part.mu.Lock()
	found, more, ok := c.room.page(in, limit)
	c.part.mu.Unlock()
	if !ok {
		c.fail(cmd.id, event.CodeNotRecoverable, "these records are not held here: use the sync API", 0)
		return
	}
	out := historyAnswer{Records: make([]json.RawMessage, len(found)), HasMore: more}
	for i := range found {
		out.Records[i] = found[i].frame
	}
	c.reply(event.MsgHistory, cmd.id, out)
}

// page cuts a page out of the ring; the lock is held. Before the oldest record held there may be more, unless the room began here.
func (r *room) page(in historyRequest, limit int) (found []shown, more, ok bool) {
	if in.AfterSeq != nil {
		found, ok = r.ring.after(*in.AfterSeq)
		more = len(found) > limit
		return slices.Clone(found[:min(limit, len(found))]), more, ok
	}
	before := r.part.s.seqBefore(r.part.position) + 1
	if in.BeforeSeq != nil {
		before = *in.BeforeSeq
	}
	found = r.ring.before(before, limit)
	whole := r.ring.floor == r.part.s.beginning()
	more = !whole || len(found) > 0 && found[0].seq > r.ring.frames[0].seq
	return slices.Clone(found), more, whole || len(found) > 0
}

// presenceRequest is the payload of Presence.
type presenceRequest struct {
	Limit  *int   `json:"limit"`
	Cursor string `json:"cursor"`
}

// presenceAnswer is the payload of the answer. Complete tells whether no other gateway holds members of the room.
type presenceAnswer struct {
	Users      []event.Member `json:"users"`
	NextCursor string         `json:"next_cursor,omitempty"`
	Complete   bool           `json:"complete"`
}

// presence lists the members of the room on this gateway, ordered by user_id; the cursor is the last user_id of the page before.
func (c *conn) presence(_ context.Context, cmd command) {
	var in presenceRequest
	err := cmd.into(&in)
	limit := maxPresence
	if err == nil && in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxPresence {
			err = field("limit", "must be 1 to 1000")
		}
	}
	if err != nil {
		c.malformed(cmd.id, err)
		return
	}
	out := presenceAnswer{Users: []event.Member{}, Complete: c.s.presenceOf.Count(c.member.room, c.s.incarnation()) == 0}
	c.part.mu.Lock()
	for _, m := range c.room.members {
		if m.member.user > in.Cursor {
			out.Users = append(out.Users, event.Member{UserID: m.member.user, Nickname: m.member.nickname})
		}
	}
	c.part.mu.Unlock()
	slices.SortFunc(out.Users, func(a, b event.Member) int {
		if a.UserID < b.UserID {
			return -1
		}
		return 1
	})
	if len(out.Users) > limit {
		out.Users = out.Users[:limit]
		out.NextCursor = out.Users[limit-1].UserID
	}
	c.reply(event.MsgPresence, cmd.id, out)
}
