package devstack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"splitsync/internal/devstack"
)

func TestDataDirIsHeldByOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := devstack.OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %o, want 700", info.Mode().Perm())
	}
	_, err = devstack.OpenDataDir(dir)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) || strings.Contains(err.Error(), "\n") {
		t.Errorf("second open: %v; want one line naming the pid", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := devstack.OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestDataDirRefusesWhatItCannotUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := devstack.OpenDataDir(file); err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Errorf("a file: %v; want an error naming DATA_DIR", err)
	}
	foreign := t.TempDir()
	if os.Geteuid() != 0 {
		foreign = "/" // root's
	} else if err := os.Chown(foreign, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := devstack.OpenDataDir(foreign); err == nil || !strings.Contains(err.Error(), "belongs to user id") {
		t.Errorf("another user's folder: %v; want a refusal", err)
	}
}

func TestDataDirKeepsSecrets(t *testing.T) {
	dir, err := devstack.OpenDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	made := 0
	makeKey := func() (string, error) { made++; return fmt.Sprintf("key-%d", made), nil }
	for range 2 {
		key, err := dir.Secret("admin-api-key", makeKey)
		if err != nil || key != "key-1" {
			t.Fatalf("key %q, %v; want key-1", key, err)
		}
	}
	info, err := os.Stat(dir.Path("admin-api-key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	if err := os.Chmod(dir.Path("admin-api-key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Secret("admin-api-key", makeKey); err == nil {
		t.Error("a key that others may read was taken")
	}
	if _, err := dir.Secret("../key", makeKey); err == nil {
		t.Error("a path was taken for a name")
	}
}

func TestDataDirTellsFreeSpace(t *testing.T) {
	dir, err := devstack.OpenDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if free, err := dir.FreeBytes(); err != nil || free == 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
}
