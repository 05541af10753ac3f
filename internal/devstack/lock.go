package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// tryLock opens path and takes its lock, which lives until the file is closed in every process that has it.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// WaitLock opens path (made if absent, 0600) and takes its lock, waiting for another process for up to wait; 0 = as long as
// ctx lives. The lock lives until the file is closed in every process that has it.
func WaitLock(ctx context.Context, path string, wait time.Duration) (*os.File, error) {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	tick := time.NewTicker(5 * pollInterval)
	defer tick.Stop()
	for {
		f, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}
