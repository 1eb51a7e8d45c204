package check

import (
	"slices"
	"sort"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// looks checks what readers saw in guarded transactions, each of whose statements sees
// what was committed before it: that no writer was at work meanwhile, so that both
// readings of the counter are the same; and that exactly those increments were there that were
// made under smaller fences.
//
// What was seen before a failover is checked for the first only: increments may be lost
// by it.
func looks(events []history.Event, remains Remains) (found []Violation) {
	lost := promoted(events, func(history.Event) bool { return true })
	written := map[string][]uint64{} // the fences of the increments of each name
	for _, entry := range remains.Ledger {
		written[entry.Name] = append(written[entry.Name], entry.Fence)
	}
	for _, fences := range written {
		slices.Sort(fences)
	}
	for _, e := range events {
		if e.Kind != history.Looked {
			continue
		}
		fences := written[e.Name]
		before := sort.Search(len(fences), func(i int) bool { return fences[i] >= e.Fence })
		switch {
		case e.First != e.Second:
			found = append(found, violation(Counter, e.Name, "client %s, shared, fence %d, saw %d and then %d in one guarded transaction",
				e.Client, e.Fence, e.First, e.Second).during(e.At, e.At).fence(e.Fence))
		case e.First != int64(before) && !lost.after(e.At):
			found = append(found, violation(Counter, e.Name, "client %s, shared, fence %d, saw %d; %d increments have smaller fences",
				e.Client, e.Fence, e.First, before).during(e.At, e.At).fence(e.Fence))
		}
	}
	return found
}
