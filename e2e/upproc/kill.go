package upproc

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Kill9 kills the whole process group of up with SIGKILL and returns when the process is gone. The embedded ClickHouse has a group of its own:
// it becomes an orphan that ends by itself within some 2 s.
func (u *Up) Kill9() {
	u.tb.Helper()
	if !u.Running() {
		u.tb.Errorf("kill up: it has ended already: %v\n%s", u.err, u.Output())
		return
	}
	u.kill(-u.Pid())
	<-u.exited
}

// Kill9All is Kill9 for the embedded ClickHouse and every other process that up has started, too.
func (u *Up) Kill9All() {
	u.tb.Helper()
	if !u.Running() {
		return
	}
	below := descendants(u.Pid())
	u.kill(-u.Pid())
	for _, pid := range below {
		u.kill(pid)
	}
	<-u.exited
}

func (u *Up) kill(pid int) {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		u.tb.Errorf("kill %d: %v", pid, err)
	}
}

// descendants are the processes below pid, from /proc; none where there is no /proc.
func descendants(pid int) []int {
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		child, parent, ok := parseStat(string(b))
		if ok {
			children[parent] = append(children[parent], child)
		}
	}
	var out []int
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		out = append(out, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return out
}

// parseStat reads "pid (name) state ppid …"; the name may hold spaces and brackets.
func parseStat(s string) (pid, parent int, ok bool) {
	head, _, found := strings.Cut(s, " ")
	end := strings.LastIndexByte(s, ')')
	if !found || end < 0 {
		return 0, 0, false
	}
	rest := strings.Fields(s[end+1:])
	if len(rest) < 2 {
		return 0, 0, false
	}
	pid, errPID := strconv.Atoi(head)
	parent, errParent := strconv.Atoi(rest[1])
	return pid, parent, errPID == nil && errParent == nil
}
