package explore

import (
	"fmt"
	"strings"
)

// Result says what was found.
type Result struct {
	Bounds   Bounds
	States   int
	Depth    int  // of the deepest state: steps from the beginning
	Complete bool // no state was left out

	// Broken is the rule that some order of events breaks, and Steps the shortest such
	// order; empty if there is none.
	Broken string
	Steps  []string
}

// String says it in one line.
func (r Result) String() string {
	extent := "all"
	if !r.Complete {
		extent = fmt.Sprintf("all of less than %d steps", r.Depth)
	}
	return fmt.Sprintf("%s (%v): %d states, %s", r.Bounds.Name, r.Bounds, r.States, extent)
}

// Trace returns the steps, one a line.
func (r Result) Trace() string {
	var b strings.Builder
	for i, s := range r.Steps {
		fmt.Fprintf(&b, "%3d  %s\n", i+1, s)
	}
	return b.String()
}
