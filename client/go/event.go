package client

import (
	"encoding/json"
	"fmt"

	"splitsync/event"
)

// Event is one envelope from the server. Payload is only valid while the callback runs.
type Event struct {
	Type    string // event.MsgMessage, event.MsgWelcome, …
	Payload []byte // JSON
	// Seq and PrevSeq are set for Message, System and CustomEvent.
	Seq, PrevSeq uint64
	// Gap says that records between the position and this one were not seen; Repeat, that it is not behind the position. Neither
	// happens unless a resume failed (WelcomeInfo.recovered is false) or the server is at fault.
	Gap, Repeat bool
}

// Decode reads the payload into v, a pointer to one of the payload structs of package event.
func (e Event) Decode(v any) error {
	if err := json.Unmarshal(e.Payload, v); err != nil {
		return fmt.Errorf("client: decode %s: %w", e.Type, err)
	}
	return nil
}

// Message decodes the payload of a Message.
func (e Event) Message() (event.ChatMessage, error) {
	var m event.ChatMessage
	err := e.Decode(&m)
	return m, err
}

// Field is the raw JSON of one field of the payload, nil when absent: a cheap look for those who read a great many events.
func (e Event) Field(name string) []byte {
	var out []byte
	_ = fields(e.Payload, func(key, value []byte) {
		if string(key) == name {
			out = value
		}
	})
	return out
}
