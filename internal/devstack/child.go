package devstack

import (
	"encoding/json"
	"fmt"
	"os"
)

// childMarker is the first argument that makes this binary a ClickHouse child. The second is a childPlan in JSON.
const childMarker = "__splitsync-clickhouse-child"

// childPlan is what the child needs to know; it travels as an argument.
type childPlan struct {
	Library string   // libchdb.so to load into this process, or empty
	Binary  string   // the clickhouse binary to run and to stop, when Library is empty
	Args    []string // the argument vector, from argv[0] on
}

// RunChildIfAsked turns this process into the ClickHouse child when its arguments say so, and does not return then. Call
// it first in main and in TestMain. Otherwise it returns at once. The child stops when its standard input ends, which the
// end of the parent, whatever its cause, brings about.
func RunChildIfAsked() {
	if len(os.Args) != 3 || os.Args[1] != childMarker {
		return
	}
	var plan childPlan
	if err := json.Unmarshal([]byte(os.Args[2]), &plan); err != nil {
		exitChild(fmt.Errorf("read the plan of the clickhouse child: %w", err))
	}
	if plan.Library != "" {
		exitChild(runLibrary(plan.Library, plan.Args))
	}
	exitChild(runBinary(plan.Binary, plan.Args))
}

func exitChild(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
