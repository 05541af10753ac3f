package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"splitsync/e2e/upproc"
	"splitsync/event"
	"splitsync/internal/testkit"
)

// TestTheWholePath sends a chat log through WebSocket clients and finds it, byte for byte and in order, at the members, in the sync API and in
// the callbacks (the ledger), and in SQL. On Apache Kafka it runs with that instead of the embedded broker.
func TestTheWholePath(t *testing.T) {
	file, lines, empty := chatLog(t, 1, 3000)
	receiver, env := receive(t)
	u := upproc.Start(t, append(env, onKafka(t)...)...)
	ledger := play(t, u, player(u, file, receiver))

	var refused []int
	for _, r := range ledger.Refusals {
		if r.Code != event.CodeBadRequest {
			t.Errorf("line %d: error %d, want 107", r.Line, r.Code)
		}
		refused = append(refused, r.Line)
	}
	if slices.Sort(refused); !slices.Equal(refused, empty) {
		t.Errorf("refused lines %v, want the empty ones %v", refused, empty)
	}
	sqlHasEveryText(t, u, lines, len(empty))
	sqlCountsAreThoseOfTheMembers(t, u, ledger.Sessions.Welcomed)

	for _, r := range ledger.Rooms {
		if code := call(t, u, http.MethodDelete, "/management/rooms/"+r.Room); code != http.StatusNoContent {
			t.Errorf("close %s: %d", r.Room, code)
		}
	}
	testkit.Eventually(t, 20*time.Second, func() error {
		n := receiver.Counts()
		for kind, least := range map[string]int{
			string(event.CallbackRoomCreated): 3, string(event.CallbackRoomClosed): 3, string(event.CallbackUserJoined): 14,
			string(event.CallbackUserLeft): 14, string(event.CallbackChatBatch): 3, string(event.CallbackSessionBatch): 3,
			string(event.CallbackPeriodic): 3, "legacy": 3,
		} {
			if n[kind] < least {
				return fmt.Errorf("%d callbacks %s, want %d or more", n[kind], kind, least)
			}
		}
		return nil
	})
}

func sqlHasEveryText(t *testing.T, u *upproc.Up, lines []said, refused int) {
	t.Helper()
	rows := sql(t, u, "SELECT client_msg_id, lower(hex(SHA256(content))), hex(user_id) FROM chat_messages FORMAT TSV")
	if len(rows) != len(lines)-refused {
		t.Errorf("SQL has %d messages, want %d", len(rows), len(lines)-refused)
	}
	for _, row := range rows {
		cells := strings.Split(row, "\t")
		n, err := strconv.Atoi(strings.TrimPrefix(cells[0], "L"))
		if err != nil || n < 1 || n > len(lines) || len(cells) != 3 {
			t.Fatalf("SQL: row %q", row)
		}
		sum := sha256.Sum256([]byte(lines[n-1].Text))
		if cells[1] != hex.EncodeToString(sum[:]) || cells[2] != strings.ToUpper(hex.EncodeToString([]byte(lines[n-1].User))) {
			t.Errorf("line %d: SQL has another text or user", n)
		}
	}
}

func sqlCountsAreThoseOfTheMembers(t *testing.T, u *upproc.Up, sessions int) {
	t.Helper()
	if got := sql(t, u, "SELECT count(), countIf(leave_time IS NULL) FROM user_sessions FORMAT TSV")[0]; got != fmt.Sprintf("%d\t0", sessions) {
		t.Errorf("SQL has %q sessions and open ones, want %d and 0", got, sessions)
	}
}
