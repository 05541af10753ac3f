package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"
)

const maxIDs = 100_000

// entry is a line of the file.
type entry struct {
	ID         string          `json:"id"`
	ReceivedAt int64           `json:"received_at"` // Unix seconds
	EventType  string          `json:"event_type"`
	Replay     bool            `json:"replay"`
	Verified   bool            `json:"verified"`
	SHA256     string          `json:"sha256"` // of the body as it came
	Body       json.RawMessage `json:"body"`
}

// summary is the answer of /stats.
type summary struct {
	Received   int64            `json:"received"`
	Stored     int64            `json:"stored"`
	Duplicates int64            `json:"duplicates"`
	Conflicts  int64            `json:"conflicts"` // duplicates with other bytes: the same id must mean the same bytes
	Replays    int64            `json:"replays"`
	Messages   int64            `json:"messages"`
	Sessions   int64            `json:"sessions"`
	Rejected   map[string]int64 `json:"rejected"`
	ByType     map[string]int64 `json:"by_type"`
	Rooms      int              `json:"rooms"`
	StartedAt  int64            `json:"started_at"`
	Bounds     map[string]int   `json:"bounds"`
}

// store keeps every body as a line of a JSONL file (if there is one), the last 100,000 ids, and the summary of the rooms. Safe for several
// goroutines.
type store struct {
	mu     sync.Mutex
	file   *os.File
	closed bool
	ids    map[string]string // id to SHA-256
	order  []string          // of ids, a ring
	next   int
	rooms  *rooms
	sum    summary
}

// openStore reads the file back, so that repeats are known after a start too.
func openStore(path string) (*store, error) {
	s := &store{ids: map[string]string{}, rooms: newRooms(), sum: summary{
		Rejected: map[string]int64{"signature": 0, "timestamp": 0, "malformed": 0, "too_big": 0, "encoding": 0, "storage": 0},
		ByType:   zeroCounts(), StartedAt: time.Now().Unix(),
		Bounds: map[string]int{"ids": maxIDs, "rooms": maxRooms, "recent_records": maxRecent, "text": maxText},
	}}
	if path == "" {
		return s, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	s.file = file
	if err := s.load(); err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// close ends storing: a later add is refused.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// add stores a checked body and returns "stored" or "duplicate"; with a file after fsync. An error means that it is not stored.
func (s *store) add(id string, b *body, raw []byte, replay, verified bool) (string, error) {
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errors.New("the store is closed")
	}
	if known, ok := s.ids[id]; ok {
		s.sum.Duplicates++
		if known != digest {
			s.sum.Conflicts++
		}
		return "duplicate", nil
	}
	e := entry{id, time.Now().Unix(), b.kind, replay, verified, digest, raw}
	if err := s.write(e); err != nil {
		return "", err
	}
	if replay {
		s.sum.Replays++
	}
	s.take(id, b, digest)
	return "stored", nil
}

func (s *store) take(id string, b *body, digest string) {
	s.ids[id] = digest
	if len(s.order) < maxIDs {
		s.order = append(s.order, id)
	} else {
		delete(s.ids, s.order[s.next])
		s.order[s.next] = id
		s.next = (s.next + 1) % maxIDs
	}
	s.rooms.apply(b)
	s.sum.Stored++
	s.sum.Messages += int64(len(b.Messages))
	s.sum.Sessions += int64(len(b.Sessions))
	s.sum.ByType[b.kind]++
}

// write appends a line and syncs it. After a fault the file ends where it ended before, so that no half line is in it.
func (s *store) write(e entry) error {
	if s.file == nil {
		return nil
	}
	line, err := json.Marshal(e) // makes the body one line
	if err != nil {
		return fmt.Errorf("encode the body: %w", err)
	}
	end, err := s.file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("find the end of the store: %w", err)
	}
	if _, err = s.file.Write(append(line, '\n')); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the store: %w", err), s.file.Truncate(end))
	}
	return nil
}

func (s *store) load() error {
	lines := bufio.NewReaderSize(s.file, 1<<20)
	var good int64
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// What is left is half a line of a crash: it was never answered with 2xx.
			return s.file.Truncate(good)
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		b, err := parseBody(e.Body)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if _, known := s.ids[e.ID]; !known {
			s.take(e.ID, b, e.SHA256)
		}
		good += int64(len(line))
	}
}

func (s *store) received() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Received++
}

func (s *store) rejected(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Rejected[reason]++
}

func (s *store) rows() []row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms.rows()
}

// room returns a copy, or nil.
func (s *store) room(id string) *room {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms.get(id)
}

func (s *store) stats() summary {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.sum
	c.Rejected, c.ByType, c.Rooms = maps.Clone(c.Rejected), maps.Clone(c.ByType), len(s.rooms.byID)
	return c
}
