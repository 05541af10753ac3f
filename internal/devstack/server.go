package devstack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// binaryStopTime is how long a clickhouse server may take to stop after SIGTERM before it is killed.
const binaryStopTime = 20 * time.Second

// runBinary runs a clickhouse binary as a child of this child and ends it when standard input ends, which a clickhouse
// server would not do by itself.
func runBinary(binary string, args []string) error {
	cmd := exec.Command(binary, args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", binary, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	parentGone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(parentGone)
	}()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return fmt.Errorf("%s ended by itself: %w", binary, err)
	case <-parentGone:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
		return nil
	case <-time.After(binaryStopTime):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("%s did not stop within %s and was killed", binary, binaryStopTime)
	}
}
