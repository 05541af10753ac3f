//go:build linux && amd64 && !static

package devstack

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libraryRuns says whether this build can load libchdb.so.
const libraryRuns = true

// runLibrary loads libchdb.so and gives this process to it until the query in args ends. It takes over the signal
// handlers; nothing else may run in the process.
func runLibrary(path string, args []string) error {
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	var run func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	var fault func(result unsafe.Pointer) string
	purego.RegisterLibFunc(&run, lib, "chdb_query_cmdline")
	purego.RegisterLibFunc(&fault, lib, "chdb_result_error")

	argv := make([]*byte, len(args)+1) // ends with a null pointer, as C wants it
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, arg := range args {
		argv[i] = &append([]byte(arg), 0)[0]
		pin.Pin(argv[i])
	}
	result := run(int32(len(args)), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if result == nil {
		return errors.New("clickhouse ended without an answer")
	}
	if text := fault(result); text != "" {
		return errors.New(text)
	}
	return nil
}
