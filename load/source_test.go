package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"splitsync/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const threeLines = `{"room":"a","user":"u","ts":5,"text":"x\u0000y"}

{"room":"b","user":"v","ts":6,"text":""}`

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFilesPlainAndCompressed(t *testing.T) {
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{g, z} {
		if _, err := io.WriteString(w, threeLines); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string][]byte{"plain": []byte(threeLines), "gzip": gz.Bytes(), "zstd": zst.Bytes()} {
		s, err := openSource(file(t, content))
		if err != nil {
			t.Fatal(name, err)
		}
		first, err1 := s.next()
		second, err2 := s.next()
		_, err3 := s.next()
		if err1 != nil || err2 != nil || !errors.Is(err3, io.EOF) {
			t.Errorf("%s: %v, %v, %v", name, err1, err2, err3)
		}
		if first != (line{1, "a", "u", 5, "x\x00y"}) || second != (line{3, "b", "v", 6, ""}) {
			t.Errorf("%s: %+v, %+v", name, first, second)
		}
		if err := s.end(); err != nil {
			t.Error(name, err)
		}
	}
}

func TestBadFilesNameTheLineAndNotItsText(t *testing.T) {
	for _, content := range []string{"{}\nsecret", "{}\n{\"ts\":\"secret\"}", "{}\n" + strings.Repeat("secret", maxLineBytes/6+1)} {
		s, err := openSource(file(t, []byte(content)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = s.next()
		_, err = s.next()
		if err == nil || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "line") {
			t.Errorf("error %v", err)
		}
		_ = s.end()
	}
	if _, err := openSource(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func TestRoomsOfLines(t *testing.T) {
	whole, split := Config{RoomPrefix: "p-"}, Config{RoomPrefix: "p-", Rooms: 5}
	used := map[string]bool{}
	for i := range 200 {
		l := line{Room: fmt.Sprintf("odd room/%d é", i%7), User: fmt.Sprint("u", i)}
		for _, c := range []Config{whole, split} {
			id := c.roomOf(l)
			if err := event.CheckRoomID(id); err != nil || !strings.HasPrefix(id, "p-") || id != c.roomOf(l) {
				t.Errorf("%q: %v", id, err)
			}
		}
		used[split.roomOf(l)] = true
	}
	if len(used) != 5 {
		t.Errorf("%d of 5 rooms are used", len(used))
	}
	if a, b := roomName(strings.Repeat("x", 300)), roomName(strings.Repeat("x", 301)); a == b || len(a) > event.MaxRoomIDBytes-maxPrefixBytes {
		t.Errorf("long names: %q, %q", a, b)
	}
}

func TestMessageIDsNameLines(t *testing.T) {
	for _, n := range []int{1, 9, 515144} {
		if got := lineOf(messageID(n)); got != n {
			t.Errorf("line %d comes back as %d", n, got)
		}
	}
	for _, id := range []string{"", "L", "Lx", "L01", "L+1", "L-1", "L0", "M1", "L99999999999999999999"} {
		if got := lineOf(id); got != 0 {
			t.Errorf("%q names line %d", id, got)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	good := Config{URL: "http://x", File: "f"}
	if _, err := good.withDefaults(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{
		{}, {URL: "http://x"}, {URL: "http://x", File: "f", Members: -1}, {URL: "http://x", File: "f", Rate: -1},
		{URL: "http://x", File: "f", RoomPrefix: "a b"}, {URL: "http://x", File: "f", RoomPrefix: strings.Repeat("x", 41)},
	} {
		if _, err := c.withDefaults(); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}
