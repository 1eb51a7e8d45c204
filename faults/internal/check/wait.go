package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// patience is how many TTLs a lock may be held by nobody while somebody waits for it
// who lives and is connected, and nothing is done to anybody: one until the lease of
// a dead holder has expired, one for each of its successors that died in the queue
// and had not been seen there. It is generous: what is sought is waits that do not
// end.
const patience = 5

// waits checks that nobody waits for too long while nobody holds the lock, or, of a name
// with permits, fewer than there are and nobody is granted one. Together
// with the order of grants (see orders) that bounds every wait: before it ends, those
// ahead in the queue have had their turns, and no others.
//
// Names that are acquired together are left out: who holds one of them while waiting for
// another is not in the history.
//
// The bound is patience times the TTL, and longer by the faults in progress: by the
// longest of those that last, since the one who is to let go may be its victim; by
// the length of every fault of the server, with a TTL more for one that leases do not
// outlive; and by pausing for a promotion.
func waits(events []history.Event, grants map[string][]*grant, ttl time.Duration) (found []Violation) {
	faults := disturbances(events)
	for name, requests := range queuedRequests(events, grants) {
		if requests[0].Parts > 0 {
			continue
		}
		for _, gap := range gaps(grants[name], patience*ttl) {
			for _, r := range requests {
				from, to := max(gap.from, r.queued), min(gap.to, r.left)
				if limit := patience*ttl + faults.allow(from, to, ttl); to-from > limit {
					found = append(found, violation(Wait, name, "client %s waited from %v until %v, and there was room from %v to %v, for %v; the limit is %v",
						r.client, r.queued, r.left, from, to, to-from, limit).during(from, to))
					break
				}
			}
		}
	}
	return found
}

// pausing is how long granting may pause for a promotion at the most: until there is
// a primary, and leases that it does not know have ended.
const pausing = 20 * time.Second

// gaps returns the spans, longer than that, without a grant, in which nobody believes in a
// lock and none keeps it taken; of a name with permits, in which fewer do than there are.
// grants are in the order of granted.
func gaps(grants []*grant, longer time.Duration) (all []span) {
	places := 1
	if len(grants) > 0 && grants[0].Mode == history.Permit {
		places = grants[0].Permits
	}
	room := make([]time.Duration, places) // when those who believe for the longest end, the last one first
	last := time.Duration(0)
	add := func(to time.Duration) {
		if from := max(last, room[places-1]); to-from > longer {
			all = append(all, span{from, to})
		}
	}
	for _, g := range grants {
		add(g.granted)
		last = g.granted
		room = append(room, max(g.end, g.granted+g.MinHold))
		slices.SortFunc(room, func(a, b time.Duration) int { return cmp.Compare(b, a) })
		room = room[:places]
	}
	add(never)
	return all
}

// disturbance is one fault, from its beginning until it was healed.
type disturbance struct {
	span
	server bool
}

type disturbanceList []disturbance

// disturbances returns the faults that last.
func disturbances(events []history.Event) (all disturbanceList) {
	type victim struct{ client, detail string }
	open := map[victim]time.Duration{}
	for _, e := range events {
		switch v := (victim{e.Client, e.Detail}); e.Kind {
		case history.Fault:
			open[v] = e.At
		case history.Healed:
			from, ok := open[v]
			for other, at := range open { // a fault may be healed under another name
				if !ok && other.client == v.client {
					v, from, ok = other, at, true
				}
			}
			delete(open, v)
			if ok {
				all = append(all, disturbance{span{from, e.At}, e.Client == ""})
			}
		case history.Promoted:
			all = append(all, disturbance{span{e.At, e.At + pausing}, true})
		}
	}
	return all
}

// allow returns by how much faults may prolong a wait between two instants.
func (all disturbanceList) allow(from, to, ttl time.Duration) (sum time.Duration) {
	longest := time.Duration(0)
	for _, d := range all {
		switch {
		case d.to < from || to < d.from:
		case d.server:
			if sum += d.to - d.from; d.to-d.from > ttl {
				sum += ttl
			}
		default:
			longest = max(longest, d.to-d.from)
		}
	}
	return sum + longest
}
