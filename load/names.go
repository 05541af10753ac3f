package load

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"splitsync/event"
)

// roomOf is the room in which a line is played.
func (c *Config) roomOf(l line) string {
	if c.Rooms == 0 {
		return c.RoomPrefix + roomName(l.Room)
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(l.Room))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(l.User))
	return fmt.Sprintf("%sr%04d", c.RoomPrefix, h.Sum64()%uint64(c.Rooms))
}

// roomName makes a name of a file a part of a room_id: characters that those do not have are written as ~XX. A long name is cut and gets a hash.
func roomName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		ch := name[i]
		if event.CheckRoomID(string(rune(ch))) == nil && ch < 0x80 {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "~%02X", ch)
		}
	}
	const most = event.MaxRoomIDBytes - maxPrefixBytes
	out := b.String()
	if len(out) > most {
		sum := sha256.Sum256([]byte(name))
		out = out[:most-17] + "~" + hex.EncodeToString(sum[:8])
	}
	return out
}

// messageID is the client_msg_id of a line.
func messageID(n int) string { return "L" + strconv.Itoa(n) }

// lineOf is the line that a client_msg_id names; 0 if it is not one of ours.
func lineOf(id string) int {
	if len(id) < 2 || id[0] != 'L' {
		return 0
	}
	n, err := strconv.Atoi(id[1:])
	if err != nil || messageID(n) != id {
		return 0
	}
	return max(n, 0)
}

// contentHash stands for who said what and when, wherever it is read.
func contentHash(user, text string, ts int64) uint64 {
	b := make([]byte, 0, len(user)+len(text)+16)
	b = binary.BigEndian.AppendUint64(b, uint64(ts))
	b = binary.BigEndian.AppendUint64(b, uint64(len(user)))
	b = append(append(b, user...), text...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// mark is a message at its place in the log. Its hash covers all of it: two marks are equal if and only if line, author, text, client_ts, seq,
// message_id and created_at are.
type mark struct {
	seq  uint64
	hash uint64
	line int32
	user int32 // of room.users
}

func newMark(content uint64, n int, seq uint64, id string, createdAtMS int64) mark {
	b := make([]byte, 0, 80)
	for _, v := range [...]uint64{content, uint64(n), seq, uint64(createdAtMS)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	sum := sha256.Sum256(append(b, id...))
	return mark{seq: seq, hash: binary.BigEndian.Uint64(sum[:]), line: int32(n)}
}

// markOf is the mark of a record of the sync API or of a callback.
func markOf(r *event.ChatRecord) mark {
	return newMark(contentHash(r.UserID, r.Content, r.ClientTS), lineOf(r.ClientMsgID), r.Seq, r.MessageID, r.CreatedAtMS)
}
