package service

import "runtime/debug"

// version is set by the linker (-X splitsync/internal/service.version=…), see the Makefile.
var version string

// Version is that of this program: what the linker set, else what the Go tool knows of the module.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
