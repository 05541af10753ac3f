package devstack

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// quarterOfMemory is a quarter of the machine's memory in bytes.
func quarterOfMemory() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("read the size of the memory: %w", err)
	}
	return uint64(info.Totalram) * uint64(info.Unit) / 4, nil
}
