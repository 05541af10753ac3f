// Package load plays a chat log into a splitsync over real WebSocket connections and then proves, message by message, that what was acknowledged
// is what members saw, what the sync API has and what a receiver of callbacks got: the ledger.
//
// A user of a room has one connection, and its lines are sent over it in the order of the file. At most Config.Members connections a room are
// open; when one more user speaks, the one who was silent longest leaves. The client_msg_id of a line is "L" and its number, so that a line is one
// message however often it is sent, and so that the store tells which lines it has.
package load

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Config says what is played, where and how fast.
type Config struct {
	URL    string // base address of gateway and sync API, http or https
	APIKey string // of the management and sync routes
	File   string // JSON lines of room, user, ts (Unix milliseconds), text; plain, gzip or zstd
	Lines  int    // play only the first so many; 0 = all

	// RoomPrefix stands before the room ids of this run; empty = a random one, see NewPrefix.
	RoomPrefix string
	// Rooms, when not 0, spreads the users over that many rooms by a hash of the line's room and user: a user stays in one room.
	Rooms   int
	Members int     // open connections a room, at most (40)
	Rate    float64 // lines a second; 0 = as fast as acknowledged
	Speedup float64 // play at the speed of the log times this; 0 = do not look at its times
	// Unanswered bounds the lines that are sent or wait to be sent (8192).
	Unanswered int
	// Resume goes on with an interrupted run of the same RoomPrefix, File and Rooms. It first waits until everything in the log is stored, asks
	// the sync API for every message of the run's rooms, and leaves out the lines that are there; what was stored then belongs to the ledger.
	// That is exact: a line that is in no answer is not in the log, and one that reaches the log late (an interrupted gateway gives up within
	// 25 s) has the same client_msg_id as its repetition, within the dedupe window of 120 s.
	Resume bool
	// Settle is how long the store, the receiver and the members may make no progress at the end before they count as complete (60 s).
	Settle time.Duration
	// Grace is how long an interrupted run waits for the answers that are under way (15 s).
	Grace time.Duration
	// Acked, when set, is told every acknowledgement, from many goroutines; it must not block.
	Acked func(room string, line int, seq uint64)
	// Receiver, when set, is where the callbacks of this splitsync go.
	Receiver *Receiver

	Progress      io.Writer     // where the progress line goes; nil = nowhere
	ProgressEvery time.Duration // (1 s)
	ProgressEnd   string        // behind each progress line: "\n", or "\r" on a terminal
}

// NewPrefix makes a room prefix that no other run has.
func NewPrefix() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return "load-" + hex.EncodeToString(b[:]) + "-"
}

const maxPrefixBytes = 40

func (c Config) withDefaults() (Config, error) {
	c.RoomPrefix = cmp.Or(c.RoomPrefix, NewPrefix())
	c.Members = cmp.Or(c.Members, 40)
	c.Unanswered = cmp.Or(c.Unanswered, 8192)
	c.Settle = cmp.Or(c.Settle, time.Minute)
	c.Grace = cmp.Or(c.Grace, 15*time.Second)
	c.ProgressEvery = cmp.Or(c.ProgressEvery, time.Second)
	c.ProgressEnd = cmp.Or(c.ProgressEnd, "\n")
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	switch {
	case c.URL == "" || c.File == "":
		return c, errors.New("load: address and file must be given")
	case c.Members < 1 || c.Unanswered < 1 || c.Rooms < 0 || c.Lines < 0 || c.Rate < 0 || c.Speedup < 0:
		return c, errors.New("load: members must be 1 or more; rooms, lines, rate and speedup must not be negative")
	case len(c.RoomPrefix) > maxPrefixBytes || roomName(c.RoomPrefix) != c.RoomPrefix:
		return c, fmt.Errorf("load: the room prefix may have %d characters of A-Z a-z 0-9 . _ ~ -", maxPrefixBytes)
	}
	return c, nil
}

// Run plays the file, waits until store and receiver have everything, and returns the ledger. It leaves nothing running. When ctx ends it stops
// sending, waits up to Grace for the answers that are under way, and returns a Ledger that says Interrupted and compares nothing. An error means
// that the run could not be done; a ledger that does not hold is no error.
func Run(ctx context.Context, cfg Config, log *slog.Logger) (*Ledger, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p, err := newPlay(cfg, log)
	if err != nil {
		return nil, err
	}
	stop := p.showProgress(ctx)
	err = p.run(ctx)
	var ledger *Ledger
	if err == nil {
		ledger, err = p.settle(ctx)
	}
	stop()
	if err != nil {
		return nil, err
	}
	fmt.Fprint(cfg.Progress, p.progressLine(), "\n")
	return ledger, nil
}
