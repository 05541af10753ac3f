package load

import (
	"fmt"
	"io"
	"strings"
	"time"

	"splitsync/event"
)

// Ledger tells what became of every line, and whether members, store and receiver agree.
type Ledger struct {
	Prefix      string // of the rooms
	Interrupted bool   // nothing was compared
	Lines       int    // of the file, as far as it was played
	Skipped     int    // resumed: stored by an earlier run
	Changed     int    // resumed: stored by an earlier run with another content than the file has
	Sent        int    // for the first time in this run
	Acked       int
	Refused     int
	Unknown     int // lines whose answer is missing: resume the run
	Retries     int // repetitions of lines that were refused for the moment
	Refusals    []Refusal
	Codes       map[event.ErrorCode]int // refused and unknown lines by error code
	Deliveries  int                     // messages that members saw
	Took        time.Duration           // of the sending, joins and leaves included
	Settled     time.Duration           // from then until everything was stored, delivered and compared
	Rooms       []RoomLedger
	Sessions    SessionLedger
	Faults      []string // of callbacks: signatures, bytes, forms
}

// Refusal is a line that is not in the log.
type Refusal struct {
	Line int
	Code event.ErrorCode
}

// RoomLedger is the part of one room.
type RoomLedger struct {
	Room                                           string
	Sent, Acked, Refused, Unknown, Already, Stored int
	Delivered                                      int // by callbacks; -1 = not compared
	Members                                        int // connections: from one welcome to the end
	Seen                                           int // messages that those saw
	Retried                                        int // acknowledged at a later try
	Found                                          int // of Unknown, those that are stored
	Lost, Twice, Disordered, Changed, Foreign      int // faults: all of them must be 0
}

// SessionLedger compares the sessions of the run's rooms.
type SessionLedger struct {
	Welcomed, Finished    int  // by WelcomeInfo; in the history
	Compared              bool // a receiver was there
	Joined, Left, Batched int  // by callbacks: user_joined, user_left, session_history_batch
	Lost                  int  // welcomed and not finished, or finished and not called back
}

// faults counts what must not be.
func (r *RoomLedger) faults() int {
	n := r.Lost + r.Twice + r.Disordered + r.Changed + r.Foreign + r.Unknown
	if r.Stored != r.Acked+r.Already {
		n++
	}
	if r.Delivered >= 0 && r.Delivered != r.Stored {
		n++
	}
	return n
}

// Holds tells whether the run was compared and nothing was lost, doubled, changed or out of order anywhere.
func (l *Ledger) Holds() bool {
	for i := range l.Rooms {
		if l.Rooms[i].faults() > 0 {
			return false
		}
	}
	return !l.Interrupted && l.Sent == l.Acked+l.Refused && l.Lines == l.Skipped+l.Sent && l.Changed == 0 && l.Sessions.holds() && len(l.Faults) == 0
}

func (s *SessionLedger) holds() bool {
	return s.Lost == 0 && (!s.Compared || s.Joined == s.Finished && s.Left == s.Finished && s.Batched == s.Finished)
}

func (p *play) newLedger() *Ledger {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &Ledger{
		Prefix: p.cfg.RoomPrefix, Interrupted: p.interrupted, Lines: p.lines, Skipped: p.skipped, Changed: p.changed,
		Sent: int(p.sent.Load()), Acked: int(p.acked.Load()), Refused: int(p.refused.Load()), Unknown: int(p.unknown.Load()),
		Retries: int(p.retries.Load()), Refusals: p.refusals, Codes: p.byCode, Deliveries: int(p.seen.Load()), Took: p.ended.Sub(p.sending),
	}
}

// Print writes the ledger for people: rates, refusals, a line a room (the 20 greatest faults or first rooms), sums, verdict.
func (l *Ledger) Print(w io.Writer) {
	fmt.Fprintf(w, "\nledger of rooms %s*\n", l.Prefix)
	secs := max(l.Took.Seconds(), 0.001)
	fmt.Fprintf(w, "  lines %d = stored before %d + sent %d; sent = acknowledged %d + refused %d + unknown %d; repeated %d\n",
		l.Lines, l.Skipped, l.Sent, l.Acked, l.Refused, l.Unknown, l.Retries)
	fmt.Fprintf(w, "  sent in %.1f s: %.0f acknowledged/s, %.0f seen/s; complete and compared %.1f s later\n",
		secs, float64(l.Acked)/secs, float64(l.Deliveries)/secs, l.Settled.Seconds())
	l.printRefusals(w)
	if l.Interrupted {
		fmt.Fprintf(w, "interrupted: --resume --room-prefix %s goes on\n", l.Prefix)
		return
	}
	l.printRooms(w)
	s := l.Sessions
	fmt.Fprintf(w, "  sessions: welcomed %d, finished in the history %d", s.Welcomed, s.Finished)
	if s.Compared {
		fmt.Fprintf(w, ", called back: joined %d, left %d, in batches %d", s.Joined, s.Left, s.Batched)
	}
	fmt.Fprintf(w, ", lost %d\n", s.Lost)
	for _, f := range l.Faults {
		fmt.Fprintln(w, "  fault:", f)
	}
	if l.Changed > 0 {
		fmt.Fprintf(w, "  fault: %d lines were stored before with another content\n", l.Changed)
	}
	if l.Holds() {
		fmt.Fprintln(w, "the ledger holds")
	} else {
		fmt.Fprintln(w, "THE LEDGER DOES NOT HOLD")
	}
}

func (l *Ledger) printRefusals(w io.Writer) {
	if len(l.Refusals) == 0 {
		return
	}
	var b strings.Builder
	for i, r := range l.Refusals {
		if i == 50 {
			fmt.Fprintf(&b, " and %d more", l.Refused+l.Unknown-i)
			break
		}
		fmt.Fprintf(&b, " %d (error %d)", r.Line, r.Code)
	}
	fmt.Fprintf(w, "  refused lines:%s\n", b.String())
}

// shownRooms is how many rooms have a line of their own, beside those with a fault.
const shownRooms = 12

func (l *Ledger) printRooms(w io.Writer) {
	const form = "  %-28s %9v %9v %8v %9v %9v %8v %11v %5v %5v %6v %8v %8v\n"
	fmt.Fprintf(w, form, "room", "acked", "stored", "refused", "delivered", "members", "retried", "seen", "lost", "twice", "order", "changed", "foreign")
	sum := RoomLedger{Room: fmt.Sprintf("all %d", len(l.Rooms))}
	row := func(r *RoomLedger) {
		delivered := any(r.Delivered)
		if r.Delivered < 0 {
			delivered = "-"
		}
		fmt.Fprintf(w, form, r.Room, r.Acked+r.Already, r.Stored, r.Refused, delivered, r.Members, r.Retried, r.Seen,
			r.Lost, r.Twice, r.Disordered, r.Changed, r.Foreign)
	}
	for i := range l.Rooms {
		r := &l.Rooms[i]
		if i < shownRooms || r.faults() > 0 {
			row(r)
		}
		sum.add(r)
	}
	row(&sum)
}

func (r *RoomLedger) add(o *RoomLedger) {
	r.Acked += o.Acked
	r.Already += o.Already
	r.Stored += o.Stored
	r.Refused += o.Refused
	r.Members += o.Members
	r.Retried += o.Retried
	r.Seen += o.Seen
	r.Lost += o.Lost
	r.Twice += o.Twice
	r.Disordered += o.Disordered
	r.Changed += o.Changed
	r.Foreign += o.Foreign
	if r.Delivered += o.Delivered; o.Delivered < 0 {
		r.Delivered = -1
	}
}
