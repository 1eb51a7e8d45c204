package check

import (
	"cmp"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// slack is how far apart two readings of elapsed time may be in one process: the
// library counts suspension in steps of five milliseconds.
const slack = 10 * time.Millisecond

// margin is what a holder must give away of its TTL. It is written down here once
// more, so that what the library uses is checked and not repeated.
func margin(ttl time.Duration) time.Duration {
	return max(min(ttl/20, 250*time.Millisecond), ttl/200)
}

// beliefs finds those who believed in a lock after its deadline, and deadlines that
// are later than the TTL, less the margin, after a renewal that was sent at the
// instant of the grant. (It was sent before.)
func beliefs(events []history.Event, ttl time.Duration) (found []Violation) {
	for _, e := range events {
		ttl := cmp.Or(e.TTL, ttl)
		longest := ttl - margin(ttl) + slack
		switch {
		case e.Kind == history.Believed && e.At > e.Limit:
			found = append(found, violation(Belief, e.Name, "client %s, fence %d: Held was true at %v, %v after the deadline",
				e.Client, e.Fence, e.At, e.At-e.Limit).during(e.Limit, e.At).fence(e.Fence))
		case e.Kind == history.Granted && e.Until-e.At > longest:
			found = append(found, violation(Belief, e.Name, "client %s, fence %d: trusted for %v from %v on, with a TTL of %v and a margin of %v",
				e.Client, e.Fence, e.Until-e.At, e.At, ttl, margin(ttl)).during(e.At, e.Until).fence(e.Fence))
		}
	}
	return found
}
