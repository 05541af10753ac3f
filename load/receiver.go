package load

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"splitsync/event"
)

// maxCallbackBytes bounds a body. A legacy object may hold a whole room.
const maxCallbackBytes = 1 << 30

// legacyType counts the bodies that have no event_type.
const legacyType = "legacy"

// Receiver is a receiver of callbacks as one should be: it verifies signatures, takes each webhook-id once, and remembers what it got so that a
// ledger can be made. What is wrong with a callback is answered with 400 and kept as a fault. Its memory grows by some 30 bytes a message. Safe for
// concurrent use.
type Receiver struct {
	keys [][]byte

	mu      sync.Mutex
	bodies  map[string][sha256.Size]byte // by webhook-id
	chat    map[string][]mark            // by room, in the order of arrival
	joined  map[string]string            // room by session_id
	left    map[string]string
	batched map[string]string
	counts  map[string]int
	repeats int
	kept    *os.File
	faults  []string
	dropped int // faults beyond maxFaults
}

// maxFaults bounds the faults that are told one by one.
const maxFaults = 20

// NewReceiver returns a receiver that wants signatures by one of the secrets (whsec_…).
func NewReceiver(secrets ...string) (*Receiver, error) {
	r := &Receiver{
		bodies: map[string][sha256.Size]byte{}, chat: map[string][]mark{}, counts: map[string]int{},
		joined: map[string]string{}, left: map[string]string{}, batched: map[string]string{},
	}
	for _, s := range secrets {
		key, err := parseSecret(s)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, key)
	}
	return r, nil
}

// ServeHTTP takes a callback of any stream.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxCallbackBytes))
	if err != nil {
		return // the sender went away in the middle
	}
	if err := r.take(req.Header, body); err != nil {
		r.fault(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (r *Receiver) take(h http.Header, body []byte) error {
	id := h.Get("webhook-id")
	if err := verify(r.keys, id, h.Get("webhook-timestamp"), h.Get("webhook-signature"), body); err != nil {
		return fmt.Errorf("callback %.80q: %w", id, err)
	}
	r.mu.Lock()
	kept := r.kept
	r.mu.Unlock()
	return r.accept(id, body, kept)
}

// accept takes a callback that is genuine, and writes it to the file, if there is one, before it counts.
func (r *Receiver) accept(id string, body []byte, file *os.File) error {
	sum := sha256.Sum256(body)
	if r.repeated(id, sum) {
		return nil
	}
	var b struct {
		event.CallbackHead
		SessionID string                `json:"session_id"`
		Messages  []event.ChatRecord    `json:"messages"`
		Sessions  []event.SessionRecord `json:"sessions"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return fmt.Errorf("callback %.80q: %w", id, err)
	}
	marks := make([]mark, len(b.Messages))
	for i := range b.Messages {
		marks[i] = markOf(&b.Messages[i])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.bodies[id]; ok {
		return nil // two attempts at once
	}
	if file != nil {
		if err := r.keep(file, id, body); err != nil {
			return err
		}
	}
	r.bodies[id] = sum
	if b.EventType == "" {
		b.EventType = legacyType
	}
	r.counts[b.EventType]++
	switch event.CallbackType(b.EventType) {
	case event.CallbackChatBatch:
		r.chat[b.RoomID] = append(r.chat[b.RoomID], marks...)
	case event.CallbackSessionBatch:
		for i := range b.Sessions {
			r.batched[b.Sessions[i].SessionID] = b.RoomID
		}
	case event.CallbackUserJoined:
		r.joined[b.SessionID] = b.RoomID
	case event.CallbackUserLeft:
		r.left[b.SessionID] = b.RoomID
	}
	return nil
}

// repeated tells whether the id came before, and files a fault if it had another body then.
func (r *Receiver) repeated(id string, sum [sha256.Size]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, ok := r.bodies[id]
	if !ok {
		return false
	}
	r.repeats++
	if before != sum {
		r.addFault(fmt.Sprintf("callback %.80q came with two bodies", id))
	}
	return true
}

func (r *Receiver) fault(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addFault(err.Error())
}

func (r *Receiver) addFault(text string) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, text)
	} else {
		r.dropped++
	}
}

// Counts is how many different callbacks came, by event_type; "legacy" counts the bodies that have none.
func (r *Receiver) Counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	for k, n := range r.counts {
		out[k] = n
	}
	return out
}

// Repeats is how many callbacks came again with an id that was there.
func (r *Receiver) Repeats() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repeats
}

// marks are the messages of a room in the order in which they came first.
func (r *Receiver) marks(room string) []mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.chat[room])
}

func (r *Receiver) count(room string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.chat[room])
}

func (r *Receiver) total(prefix string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for room, marks := range r.chat {
		if strings.HasPrefix(room, prefix) {
			n += len(marks)
		}
	}
	return n
}

// sessionCounts counts sessions of rooms with a prefix by user_joined, user_left and session batches.
func (r *Receiver) sessionCounts(prefix string) (joined, left, batched int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := func(sessions map[string]string) (n int) {
		for _, room := range sessions {
			if strings.HasPrefix(room, prefix) {
				n++
			}
		}
		return n
	}
	return count(r.joined), count(r.left), count(r.batched)
}

// missingSessions counts finished sessions that were not called back in every form.
func (r *Receiver) missingSessions(finished map[string]bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for id := range finished {
		if r.joined[id] == "" || r.left[id] == "" || r.batched[id] == "" {
			n++
		}
	}
	return n
}

func (r *Receiver) faultList() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.faults)
	if r.dropped > 0 {
		out = append(out, fmt.Sprintf("%d more", r.dropped))
	}
	return out
}
