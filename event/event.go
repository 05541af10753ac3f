// Package event is the domain of splitsync: every record that is written to the log, every payload that a client, a webhook receiver or a
// sync consumer sees, and their one JSON codec. It promises that a value written by any version of splitsync can be read by this one, and
// that one list, Kinds, names all kinds of records.
package event

// Topic names a topic of the log without its prefix.
type Topic string

// The topics of splitsync.
const (
	Chat                Topic = "chat"                  // messages, system messages, custom events
	Sessions            Topic = "sessions"              // the event log of rooms and sessions
	Imports             Topic = "imports"               // records of an older system
	Rooms               Topic = "rooms"                 // compacted: the projection of Sessions, a register an aspect
	Gateways            Topic = "gateways"              // compacted: liveness and member counts of gateways
	Control             Topic = "control"               // compacted: operators' commands, exporter status, stream starts
	Deliveries          Topic = "deliveries"            // the exporter's journal
	CallbackDeadLetters Topic = "callback-dead-letters" // compacted: deliveries that were given up, whole
	IngestDeadLetters   Topic = "ingest-dead-letters"   // records that could not be decoded or stored
)

// Kind names what happened. It is the "type" of a record's value and of its header.
type Kind string

// The kinds of records in the log.
const (
	KindMessage       Kind = "message"
	KindSystemMessage Kind = "system_message"
	KindCustomEvent   Kind = "custom_event"
	KindRoomCreated   Kind = "room_created"
	KindRoomClosed    Kind = "room_closed"
	KindAdminsChanged Kind = "admins_changed"
	KindUserBanned    Kind = "banned"
	KindUserUnbanned  Kind = "unbanned"
	KindUserMuted     Kind = "muted"
	KindUserUnmuted   Kind = "unmuted"
	KindUserJoined    Kind = "user_joined"
	KindUserLeft      Kind = "user_left"
	KindGatewayFence  Kind = "gateway_fence"
)

// Event is one fact in the log. Implementations are the structs of this package, as pointers.
type Event interface {
	// Kind tells which struct it is.
	Kind() Kind
	// Room is the room_id, the key of the record; empty for a gateway fence.
	Room() string
	// ID is the writer's own name for the record (client_msg_id, session_id, …), empty if it has none.
	ID() string
	// DedupeKey is equal for two records of a room if and only if they are the same fact written twice; empty for records that are
	// never duplicates.
	DedupeKey() string
	// Validate returns a *FieldError if a field is outside its contract.
	Validate() error
}

// Spec describes one kind of records.
type Spec struct {
	Kind  Kind
	Topic Topic        // the topic that holds it
	Doc   string       // what it tells, for docs/EVENTS.md
	New   func() Event // an empty one, to decode into
}

// kinds is the one list of kinds. It is never written to.
var kinds = [...]Spec{
	{KindMessage, Chat, "A member said something.", func() Event { return new(Message) }},
	{KindSystemMessage, Chat, "The operator said something to the room.", func() Event { return new(SystemMessage) }},
	{KindCustomEvent, Chat, "An admin sent an event of the application.", func() Event { return new(CustomEvent) }},
	{KindRoomCreated, Sessions, "A room was created.", func() Event { return new(RoomCreated) }},
	{KindRoomClosed, Sessions, "A room was closed; it keeps its history.", func() Event { return new(RoomClosed) }},
	{KindAdminsChanged, Sessions, "The admins of a room were replaced.", func() Event { return new(AdminsChanged) }},
	{KindUserBanned, Sessions, "A user was kicked and may not come back.", func() Event { return new(UserBanned) }},
	{KindUserUnbanned, Sessions, "A user may come back.", func() Event { return new(UserUnbanned) }},
	{KindUserMuted, Sessions, "A user may not speak.", func() Event { return new(UserMuted) }},
	{KindUserUnmuted, Sessions, "A user may speak again.", func() Event { return new(UserUnmuted) }},
	{KindUserJoined, Sessions, "A session began.", func() Event { return new(UserJoined) }},
	{KindUserLeft, Sessions, "A session ended.", func() Event { return new(UserLeft) }},
	{KindGatewayFence, Sessions, "A dead gateway's incarnation may write no more.", func() Event { return new(GatewayFence) }},
}

// Kinds lists every kind of records, in the order of the documents. The slice is the caller's.
func Kinds() []Spec { return append([]Spec(nil), kinds[:]...) }
