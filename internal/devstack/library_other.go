//go:build !linux || !amd64 || static

package devstack

// libraryRuns says whether this build can load libchdb.so.
const libraryRuns = false

// runLibrary is only there for linux on amd64; a static build (tag static) leaves it out too.
func runLibrary(string, []string) error { return errNoLibrary }
