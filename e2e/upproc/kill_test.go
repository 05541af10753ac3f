package upproc

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

func TestDescendantsFindsAChild(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if got := descendants(os.Getpid()); !slices.Contains(got, cmd.Process.Pid) {
		t.Errorf("descendants(self) = %v, want the child %d among them", got, cmd.Process.Pid)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		in          string
		pid, parent int
		ok          bool
	}{
		{"12 (sh) S 7 12 12 0", 12, 7, true},
		{"12 (a ) b) S 7 12", 12, 7, true},
		{"12 (sh) S", 0, 0, false},
		{"", 0, 0, false},
		{"x (sh) S 7", 0, 7, false},
	} {
		pid, parent, ok := parseStat(c.in)
		if pid != c.pid || parent != c.parent || ok != c.ok {
			t.Errorf("parseStat(%q) = %d, %d, %v; want %d, %d, %v", c.in, pid, parent, ok, c.pid, c.parent, c.ok)
		}
	}
}
