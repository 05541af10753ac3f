//go:build !linux

package devstack

// quarterOfMemory stands for a quarter of a machine whose size is not asked for here: 2 GiB.
func quarterOfMemory() (uint64, error) { return 2 << 30, nil }
