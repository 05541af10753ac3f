//go:build !linux

package apachekafka

import "syscall"

// childAttributes are the defaults where there is no way to end a child with its parent.
func childAttributes() *syscall.SysProcAttr { return nil }
