package event

// roomEvent is what the facts about a room have in common.
type roomEvent struct {
	RoomID string `json:"room_id"`
}

// Room returns the room_id.
func (e *roomEvent) Room() string { return e.RoomID }

// ID is empty: the room is the name.
func (*roomEvent) ID() string { return "" }

// DedupeKey is empty: the registers of a room absorb repeats.
func (*roomEvent) DedupeKey() string { return "" }

// Validate checks the room_id.
func (e *roomEvent) Validate() error { return CheckRoomID(e.RoomID) }

// RoomCreated tells that a room exists from here on.
type RoomCreated struct {
	RoomID       string   `json:"room_id"`
	RoomName     string   `json:"room_name"`
	AdminUserIDs []string `json:"admin_user_ids"`
}

// Kind returns KindRoomCreated.
func (*RoomCreated) Kind() Kind { return KindRoomCreated }

// Room returns the room_id.
func (e *RoomCreated) Room() string { return e.RoomID }

// ID is empty.
func (*RoomCreated) ID() string { return "" }

// DedupeKey makes the first creation of a room the one that counts, also when two gateways create it at once.
func (*RoomCreated) DedupeKey() string { return "c" }

// Validate checks room, name and admins.
func (e *RoomCreated) Validate() error {
	return firstError(CheckRoomID(e.RoomID), checkText("room_name", e.RoomName, 0, MaxRoomNameBytes), CheckAdmins(e.AdminUserIDs))
}

// RoomClosed tells that nobody can be in the room from here on.
type RoomClosed struct {
	RoomID     string `json:"room_id"`
	FinalStats Stats  `json:"final_stats"`
}

// Kind returns KindRoomClosed.
func (*RoomClosed) Kind() Kind { return KindRoomClosed }

// Room returns the room_id.
func (e *RoomClosed) Room() string { return e.RoomID }

// ID is empty.
func (*RoomClosed) ID() string { return "" }

// DedupeKey makes the first closing the one that counts.
func (*RoomClosed) DedupeKey() string { return "x" }

// Validate checks the room_id.
func (e *RoomClosed) Validate() error { return CheckRoomID(e.RoomID) }

// AdminsChanged replaces the admins of a room.
type AdminsChanged struct {
	roomEvent
	AdminUserIDs []string `json:"admin_user_ids"`
}

// NewAdminsChanged makes the event for a room.
func NewAdminsChanged(room string, admins []string) *AdminsChanged {
	return &AdminsChanged{roomEvent{room}, admins}
}

// Kind returns KindAdminsChanged.
func (*AdminsChanged) Kind() Kind { return KindAdminsChanged }

// Validate checks room and admins.
func (e *AdminsChanged) Validate() error {
	return firstError(CheckRoomID(e.RoomID), CheckAdmins(e.AdminUserIDs))
}

// moderation is what bans and mutes have in common.
type moderation struct {
	roomEvent
	UserID string `json:"user_id"`
	By     string `json:"by,omitempty"` // the admin, empty for the management API
}

// Target returns the user whom it is about.
func (e *moderation) Target() string { return e.UserID }

// Validate checks room and users.
func (e *moderation) Validate() error {
	return firstError(CheckRoomID(e.RoomID), CheckUser("user_id", e.UserID), checkText("by", e.By, 0, MaxUserBytes))
}

// UserBanned tells that a user was kicked and may not come back.
type UserBanned struct{ moderation }

// UserUnbanned lifts a ban.
type UserUnbanned struct{ moderation }

// UserMuted tells that a user may not speak.
type UserMuted struct{ moderation }

// UserUnmuted lifts a mute.
type UserUnmuted struct{ moderation }

// Kind returns KindUserBanned.
func (*UserBanned) Kind() Kind { return KindUserBanned }

// Kind returns KindUserUnbanned.
func (*UserUnbanned) Kind() Kind { return KindUserUnbanned }

// Kind returns KindUserMuted.
func (*UserMuted) Kind() Kind { return KindUserMuted }

// Kind returns KindUserUnmuted.
func (*UserUnmuted) Kind() Kind { return KindUserUnmuted }

// NewUserBanned makes the event; by is empty for the management API.
func NewUserBanned(room, user, by string) *UserBanned {
	return &UserBanned{moderation{roomEvent{room}, user, by}}
}

// NewUserUnbanned makes the event; by is empty for the management API.
func NewUserUnbanned(room, user, by string) *UserUnbanned {
	return &UserUnbanned{moderation{roomEvent{room}, user, by}}
}

// NewUserMuted makes the event; by is empty for the management API.
func NewUserMuted(room, user, by string) *UserMuted {
	return &UserMuted{moderation{roomEvent{room}, user, by}}
}

// NewUserUnmuted makes the event; by is empty for the management API.
func NewUserUnmuted(room, user, by string) *UserUnmuted {
	return &UserUnmuted{moderation{roomEvent{room}, user, by}}
}

// UserJoined tells that a session began; its join time is the record's created_at.
type UserJoined struct {
	RoomID      string `json:"room_id"`
	UserID      string `json:"user_id"`
	Nickname    string `json:"nickname"`
	SessionID   string `json:"session_id"`
	Incarnation string `json:"incarnation"` // of the gateway that holds the connection
}

// Kind returns KindUserJoined.
func (*UserJoined) Kind() Kind { return KindUserJoined }

// Room returns the room_id.
func (e *UserJoined) Room() string { return e.RoomID }

// ID returns the session_id.
func (e *UserJoined) ID() string { return e.SessionID }

// DedupeKey holds the session: a session begins once.
func (e *UserJoined) DedupeKey() string { return "j:" + e.SessionID }

// Validate checks all ids.
func (e *UserJoined) Validate() error {
	return firstError(CheckRoomID(e.RoomID), CheckUser("user_id", e.UserID), CheckUser("nickname", e.Nickname),
		checkText("session_id", e.SessionID, 1, MaxSessionIDBytes), checkText("incarnation", e.Incarnation, 0, MaxSessionIDBytes))
}

// LeaveReason tells why a session ended.
type LeaveReason string

// The reasons for the end of a session.
const (
	LeaveLeft        LeaveReason = "left"
	LeaveReplaced    LeaveReason = "replaced"
	LeaveKicked      LeaveReason = "kicked"
	LeaveRoomClosed  LeaveReason = "room_closed"
	LeaveSlow        LeaveReason = "slow"
	LeaveTimeout     LeaveReason = "timeout"
	LeaveDrained     LeaveReason = "drained"
	LeaveGatewayLost LeaveReason = "gateway_lost"
	LeaveError       LeaveReason = "error"
)

// UserLeft tells that a session ended. It repeats the session's beginning, so that one record tells the whole session.
type UserLeft struct {
	RoomID      string      `json:"room_id"`
	UserID      string      `json:"user_id"`
	Nickname    string      `json:"nickname"`
	SessionID   string      `json:"session_id"`
	Incarnation string      `json:"incarnation"`
	Reason      LeaveReason `json:"reason"`
	JoinTimeMS  int64       `json:"join_time_ms"`            // created_at of its user_joined, Unix milliseconds
	JoinSeq     uint64      `json:"join_seq"`                // seq of its user_joined
	LeaveTimeMS int64       `json:"leave_time_ms,omitempty"` // Unix milliseconds; 0 = the record's created_at
}

// Kind returns KindUserLeft.
func (*UserLeft) Kind() Kind { return KindUserLeft }

// Room returns the room_id.
func (e *UserLeft) Room() string { return e.RoomID }

// ID returns the session_id.
func (e *UserLeft) ID() string { return e.SessionID }

// DedupeKey holds the session: a session ends once, whoever tells it.
func (e *UserLeft) DedupeKey() string { return "l:" + e.SessionID }

// LeaveTime returns the end of the session in Unix milliseconds, given the created_at of its record; it is never before the join.
func (e *UserLeft) LeaveTime(createdAt int64) int64 {
	t := createdAt
	if e.LeaveTimeMS != 0 {
		t = e.LeaveTimeMS
	}
	return max(t, e.JoinTimeMS)
}

// Validate checks all ids, and that the times are such as the history can hold.
func (e *UserLeft) Validate() error {
	return firstError(CheckRoomID(e.RoomID), CheckUser("user_id", e.UserID), CheckUser("nickname", e.Nickname),
		checkText("session_id", e.SessionID, 1, MaxSessionIDBytes), checkText("incarnation", e.Incarnation, 0, MaxSessionIDBytes),
		checkText("reason", string(e.Reason), 0, MaxReasonBytes), checkTime("join_time_ms", e.JoinTimeMS), checkTime("leave_time_ms", e.LeaveTimeMS))
}

// GatewayFence is written under a dead gateway's producer id, so that the broker refuses whatever that gateway still sends.
type GatewayFence struct {
	Incarnation string `json:"incarnation"`
}

// Kind returns KindGatewayFence.
func (*GatewayFence) Kind() Kind { return KindGatewayFence }

// Room is empty: a fence stands in every partition.
func (*GatewayFence) Room() string { return "" }

// ID returns the incarnation.
func (e *GatewayFence) ID() string { return e.Incarnation }

// DedupeKey is empty.
func (*GatewayFence) DedupeKey() string { return "" }

// Validate checks that the incarnation is there.
func (e *GatewayFence) Validate() error {
	return checkText("incarnation", e.Incarnation, 1, MaxSessionIDBytes)
}
