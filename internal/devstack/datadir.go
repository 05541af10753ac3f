package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// secretName is what Secret accepts as a name: a plain file name.
var secretName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// DataDir is the folder in which `up` keeps all its state, held by this process alone.
type DataDir struct {
	path string
	lock *os.File
}

// OpenDataDir makes the folder if it is absent (0700) and takes it for this process until Close or its end. It refuses, in
// one line that says what to do, a folder that another process holds (naming its pid), that belongs to another user, or
// that is not a folder.
func OpenDataDir(dir string) (*DataDir, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR %s: %w", dir, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("DATA_DIR cannot be made, set it to a folder of yours: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	if err := checkOwner(path, info); err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	lock, err := tryLock(filepath.Join(path, "lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("DATA_DIR %s is in use by a running splitsync%s: stop it, or set DATA_DIR to another folder", path, holder(path))
	}
	if err != nil {
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	d := &DataDir{path: path, lock: lock}
	if err := d.writePID(); err != nil {
		d.Close()
		return nil, fmt.Errorf("DATA_DIR: %w", err)
	}
	return d, nil
}

// holder names the process that wrote its id into the lock file.
func holder(path string) string {
	text, err := os.ReadFile(filepath.Join(path, "lock"))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

func (d *DataDir) writePID() error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// Path is a path inside the folder; without elements, the folder's absolute path.
func (d *DataDir) Path(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// FreeBytes is the space that this user can still take on the folder's disk.
func (d *DataDir) FreeBytes() (uint64, error) { return freeBytes(d.path) }

// Secret returns the text that is kept under name (a file of mode 0600), and keeps what make returns when there is none.
// It is on disk when Secret returns. A file that is empty or that others may read is an error.
func (d *DataDir) Secret(name string, make func() (string, error)) (string, error) {
	if !secretName.MatchString(name) {
		return "", fmt.Errorf("secret %q: a name has lower case letters, digits, dots and dashes", name)
	}
	path := d.Path(name)
	text, err := readSecret(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = make(); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	if err := writeSecret(path, text); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return text, nil
}

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 && platformHasModes {
		return "", fmt.Errorf("%s may be read by others: chmod 600 it, or delete it for a new one", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return "", fmt.Errorf("%s is empty: delete it for a new one", path)
	}
	return strings.TrimSpace(string(text)), nil
}

// writeSecret writes and renames, so that a crash leaves either nothing or the whole.
func writeSecret(path, text string) error {
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// Close lets the folder go. It may be called again.
func (d *DataDir) Close() error {
	if err := d.lock.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
