//go:build !unix

package devstack

import (
	"errors"
	"os"
	"os/exec"
)

// errPlatform is the answer of everything that needs a Unix.
var errPlatform = errors.New("the embedded servers need linux or macOS: set KAFKA_BROKERS and CLICKHOUSE_ADDR to servers and run the roles")

const platformHasModes = false

func flock(*os.File) error                 { return errPlatform }
func ownGroup(*exec.Cmd)                   {}
func killGroup(int)                        {}
func checkOwner(string, os.FileInfo) error { return nil }
func freeBytes(string) (uint64, error)     { return 0, errPlatform }
