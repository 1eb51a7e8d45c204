package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// orders checks that locks are granted first come, first served, between processes
// and within them: if a request was in the queue before another one was called, and
// kept its place (see queuedRequests), the other one is not granted the lock before
// it. Of two that were granted it, the fences tell; one that gave up must not have
// been overtaken before it did, by one that cannot hold beside it: otherwise it may have been
// granted the lock first, and not told yet.
//
// Not checked: the order of two calls that were in flight at the same time, and
// requests whose place in the queue is not known.
func orders(events []history.Event, grants map[string][]*grant) (found []Violation) {
	for name, requests := range queuedRequests(events, grants) {
		list := slices.SortedFunc(slices.Values(grants[name]), func(a, b *grant) int { return cmp.Compare(a.called, b.called) })
		fence := suffixes(list, func(a, b *grant) bool { return a.fence < b.fence })
		first := suffixes(list, func(a, b *grant) bool { return a.granted < b.granted })
		writer := suffixes(list, func(a, b *grant) bool { return a.asWriter() < b.asWriter() })
		for _, r := range requests {
			i, _ := slices.BinarySearchFunc(list, r, func(g *grant, r *request) int { return cmp.Compare(g.called, r.queued+1) })
			switch {
			case i == len(list):
			case r.grant != nil && fence[i].fence < r.grant.fence:
				b := fence[i]
				found = append(found, violation(Order, name, "in the queue since %v: %v; called later, at %v: %v",
					r.queued, r.grant, b.called, b).during(r.queued, r.grant.granted).of(r.grant, b))
			case r.grant == nil && r.Mode == history.Exclusive && first[i].granted < r.left:
				found = append(found, r.vain(first[i]))
			case r.grant == nil && r.Mode == history.Shared && writer[i].asWriter() < r.left:
				found = append(found, r.vain(writer[i]))
			}
		}
	}
	return found
}

// vain says that r gave up when b had been granted the lock before it.
func (r *request) vain(b *grant) Violation {
	return violation(Order, r.name, "client %s was in the queue from %v until %v, in vain; called later, at %v: %v",
		r.client, r.queued, r.left, b.called, b).during(r.queued, b.granted).of(b)
}

// asWriter returns when a writer was granted the lock, and never for a reader.
func (g *grant) asWriter() time.Duration {
	if g.Mode != history.Exclusive {
		return never
	}
	return g.granted
}

// suffixes returns, for each element, the least of it and those after it.
func suffixes(list []*grant, less func(a, b *grant) bool) []*grant {
	out := slices.Clone(list)
	for i := len(out) - 2; i >= 0; i-- {
		if less(out[i+1], out[i]) {
			out[i] = out[i+1]
		}
	}
	return out
}
