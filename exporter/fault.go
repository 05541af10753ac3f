package exporter

// Point names a step boundary at which a process may die.
type Point string

// The step boundaries.
const (
	BeforeCut        Point = "before cut"
	AfterCut         Point = "after cut"
	BeforeReadBack   Point = "before read-back"
	BeforeSend       Point = "before send"
	AfterSend        Point = "after 2xx"
	BeforeDone       Point = "before done"
	AfterDone        Point = "after done"
	BeforeCommit     Point = "before commit"
	AfterCommit      Point = "after commit"
	BeforeSplit      Point = "before split"
	AfterSplit       Point = "after split"
	BeforeDeadLetter Point = "before dead letter"
	AfterDeadLetter  Point = "after dead letter"
	AfterGivenUp     Point = "after dead_lettered"
)

// Fault lets tests end an exporter at a step boundary: from the first error on, nothing more is written, sent or committed.
type Fault interface {
	// At is called before or after each step; an error ends the exporter there.
	At(p Point) error
}

// noFault is the Fault of production.
type noFault struct{}

// At returns nil.
func (noFault) At(Point) error { return nil }
