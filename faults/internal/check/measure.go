package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Measures say how much there was to check: a check of nothing finds nothing.
type Measures struct {
	// Waits is how many waits were compared with those of others, for their order
	// and their length.
	Waits int
	// Idle is the longest time in one of them in which there was room. Names that are
	// acquired together do not count.
	Idle time.Duration
}

// Measure returns the measures of a history.
func Measure(events []history.Event) (m Measures) {
	grants := collect(events)
	for name, requests := range queuedRequests(events, grants) {
		m.Waits += len(requests)
		if requests[0].Parts > 0 {
			continue
		}
		idle := gaps(grants[name], 0)
		for _, r := range requests {
			i, _ := slices.BinarySearchFunc(idle, r.queued, func(s span, at time.Duration) int { return cmp.Compare(s.to, at) })
			for ; i < len(idle) && idle[i].from < r.left; i++ {
				m.Idle = max(m.Idle, min(idle[i].to, r.left)-max(idle[i].from, r.queued))
			}
		}
	}
	return m
}
