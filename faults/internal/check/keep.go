package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

const (
	// chain is how many grants at the most follow each other with fences that rise by one
	// because the database's clock had been set back. A fence that rises by more is
	// the clock's own reading, in microseconds.
	chain = 1000
	// rounding is by how much two readings of the clock in one grant may differ: that for
	// the fence, and that for the minimum hold.
	rounding = time.Millisecond
)

// keeping checks minimum holds: nobody is granted the name before the grant and that time
// have passed, by the database's clock. The fences tell what that showed at both grants; so
// however it is stepped in between, nothing has to be allowed for that.
//
// Left out are grants whose fence is not the clock's reading, those somebody tried to
// revoke, which may end the keeping, and those that a failover may have lost.
func keeping(events []history.Event, grants map[string][]*grant) (found []Violation) {
	promotions := asynchronous(events)
	revoked := revocations(events)
	for name, list := range grants {
		list = slices.SortedFunc(slices.Values(list), func(a, b *grant) int { return cmp.Compare(a.fence, b.fence) })
		for i := range list {
			if i == 0 || i == len(list)-1 || list[i].MinHold == 0 {
				continue
			}
			g, next := list[i], list[i+1]
			kept := time.Duration(next.fence-g.fence) * time.Microsecond
			if g.fence-list[i-1].fence <= chain || revoked[grantID{name, g.fence}] || promotions.within(g.called, next.granted) {
				continue
			}
			if kept < g.MinHold-rounding {
				found = append(found, violation(Keep, name, "%v, was to keep it for %v; granted after %v by the database's clock: %v",
					g, g.MinHold, kept, next).during(g.granted, next.granted).of(g, next))
			}
		}
	}
	return found
}

// grantID names a grant.
type grantID struct {
	name  string
	fence uint64
}

// revocations returns the grants that somebody meant to revoke.
func revocations(events []history.Event) map[grantID]bool {
	all := map[grantID]bool{}
	for _, e := range events {
		if e.Kind == history.Revoking {
			all[grantID{e.Name, e.Fence}] = true
		}
	}
	return all
}
