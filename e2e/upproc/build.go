package upproc

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Binary builds cmd/splitsync and returns its path, which belongs to the test. The build is kept below the system's temporary folder, a
// folder a checkout, so that later tests only check that it is still current.
func Binary(tb testing.TB) string {
	tb.Helper()
	root, err := Root()
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join(os.TempDir(), "splitsync-e2e-"+hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatalf("folder for the build: %v", err)
	}
	own := filepath.Join(tb.TempDir(), "splitsync")
	err = locked(filepath.Join(dir, "lock"), func() error {
		built := filepath.Join(dir, "splitsync")
		cmd := exec.CommandContext(tb.Context(), "go", "build", "-o", built, "./cmd/splitsync")
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./cmd/splitsync: %w\n%s", err, out)
		}
		return os.Link(built, own)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return own
}

// Root is the folder of go.mod, the working directory or one above it.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find go.mod: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find go.mod: not in the working directory or above it")
		}
		dir = parent
	}
}

// locked runs f while no other process holds the lock file.
func locked(path string, f func() error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the build: %w", err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return f()
}
