package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// key names one acquisition.
type key struct {
	client string
	op     uint64
}

// grant is a lock that was granted to a client, and the time for which the client
// surely believed in it: from granted to end, which it does not include.
type grant struct {
	key
	history.Terms
	name     string
	fence    uint64
	lease    string
	called   time.Duration // or earlier: see since
	granted  time.Duration
	end      time.Duration
	released time.Duration // when Release had succeeded; never otherwise
}

func (g *grant) String() string {
	return fmt.Sprintf("client %s, %sfence %d, believed from %v to %v", g.client, g.how(), g.fence, g.granted, g.end)
}

// how says how the lock is held, if not alone.
func (g *grant) how() string {
	switch g.Mode {
	case history.Shared:
		return "shared, "
	case history.Permit:
		return fmt.Sprintf("one of %d permits, ", g.Permits)
	default:
		return ""
	}
}

func (g *grant) believed() bool { return g.granted < g.end }

// collect returns the grants of each name in the order of granted.
//
// Belief is computed, not sampled: it lasts until the last deadline known, unless
// the lock was let go of, its client closed or its process killed before. A loss
// for another reason does not shorten it: nobody may be granted a lock before the
// deadline of its last holder.
func collect(events []history.Event) map[string][]*grant {
	called := since(events)
	grants := map[key]*grant{}
	gone := map[key]time.Duration{}
	ended := map[string]time.Duration{} // by client or process
	for _, e := range events {
		k := key{e.Client, e.Op}
		switch e.Kind {
		case history.Granted:
			grants[k] = &grant{
				key: k, Terms: e.Terms, name: e.Name, fence: e.Fence, lease: e.Lease,
				called: called[k], granted: e.At, end: e.Until, released: never,
			}
		case history.Believed:
			if g := grants[k]; g != nil { // a killed process may have recorded no grant
				g.end = max(g.end, e.Until)
			}
		case history.LetGo:
			gone[k] = e.At
		case history.Released:
			if g := grants[k]; g != nil && e.Detail == "" {
				g.released = e.At
			}
		case history.Closing, history.Killed:
			ended[e.Client] = e.At
		}
	}
	byName := map[string][]*grant{}
	for k, g := range grants {
		g.end = min(g.end, before(gone, k), before(ended, g.client), before(ended, history.Process(g.client)))
		byName[g.name] = append(byName[g.name], g)
	}
	for _, list := range byName {
		slices.SortFunc(list, func(a, b *grant) int {
			return cmp.Or(cmp.Compare(a.granted, b.granted), cmp.Compare(a.fence, b.fence))
		})
	}
	return byName
}

// Hold is a grant for people to look at: who was granted what, and the time for which
// they believed in it.
type Hold struct {
	Client               string
	Op                   uint64
	Name                 string
	Mode                 history.Mode
	Fence                uint64
	Called, Granted, End time.Duration // as in a history
}

// Holds returns the grants in a history, in the order in which they returned.
func Holds(events []history.Event) (all []Hold) {
	for _, list := range collect(events) {
		for _, g := range list {
			all = append(all, Hold{g.client, g.op, g.name, g.Mode, g.fence, g.called, g.granted, g.end})
		}
	}
	slices.SortFunc(all, func(a, b Hold) int {
		return cmp.Or(cmp.Compare(a.Granted, b.Granted), cmp.Compare(a.Fence, b.Fence))
	})
	return all
}

// never is an instant after all others.
const never = time.Duration(math.MaxInt64)

// before returns when something ended that may not have.
func before[K comparable](ended map[K]time.Duration, k K) time.Duration {
	if at, ok := ended[k]; ok {
		return at
	}
	return never
}

// beside reports whether o may hold at the same time as g, as far as these two are
// concerned.
func (g *grant) beside(o *grant) bool {
	return g.Mode != history.Exclusive && g.Mode == o.Mode && g.Permits == o.Permits
}

// most is how many may hold as g does at the same time.
func (g *grant) most() int {
	switch g.Mode {
	case history.Shared:
		return math.MaxInt
	case history.Permit:
		return g.Permits
	default:
		return 1
	}
}

// overlaps finds beliefs in the same name that overlap and must not.
func overlaps(grants map[string][]*grant) (found []Violation) {
	for name, list := range grants {
		var held []*grant // those believed in
		for _, g := range list {
			if !g.believed() {
				continue
			}
			held = slices.DeleteFunc(held, func(o *grant) bool { return o.end <= g.granted })
			if other := g.excluded(held); other != nil {
				found = append(found, violation(Overlap, name, "%v; and %v", other, g).during(g.granted, min(other.end, g.end)).of(other, g))
			}
			held = append(held, g)
		}
	}
	return found
}

// excluded returns, of those who hold, the one who keeps g out, and for the longest; nil
// if nobody does.
func (g *grant) excluded(held []*grant) (by *grant) {
	fitting := 0
	for _, o := range held {
		if g.beside(o) {
			fitting++
		}
	}
	full := fitting >= g.most()
	for _, o := range held {
		if (full || !g.beside(o)) && (by == nil || o.end > by.end) {
			by = o
		}
	}
	return by
}

// fences finds fences given twice, and grants whose fence is smaller than that of a
// grant which came surely before: one that returned before this one was asked for, or
// one that cannot be held beside this one, and was believed in before this one was.
func fences(grants map[string][]*grant) (found []Violation) {
	for name, list := range grants {
		owner := map[uint64]*grant{}
		highest := map[history.Terms]*grant{} // of those believed in so far, by mode and limit
		for _, g := range list {
			if other := owner[g.fence]; other != nil {
				found = append(found, violation(Fence, name, "given twice: %v; and %v", other, g).during(other.granted, g.granted).of(g))
			}
			owner[g.fence] = g
			if !g.believed() {
				continue
			}
			for _, h := range highest {
				if g.fence < h.fence && !g.beside(h) {
					v := violation(Fence, name, "falls: %v; then %v", h, g).during(h.granted, g.granted).of(h, g)
					v.Late = g.called < h.granted
					found = append(found, v)
				}
			}
			kind := history.Terms{Mode: g.Mode, Permits: g.Permits}
			if h := highest[kind]; h == nil || g.fence > h.fence {
				highest[kind] = g
			}
		}
		found = append(found, reordered(name, list)...)
	}
	return found
}

// reordered compares every grant with those that returned before it was called.
func reordered(name string, list []*grant) (found []Violation) {
	byCall := slices.SortedFunc(slices.Values(list), func(a, b *grant) int { return cmp.Compare(a.called, b.called) })
	next, highest := 0, (*grant)(nil)
	for _, g := range byCall {
		for ; next < len(list) && list[next].granted < g.called; next++ {
			if highest == nil || list[next].fence > highest.fence {
				highest = list[next]
			}
		}
		if highest != nil && g.fence < highest.fence {
			found = append(found, violation(Fence, name, "falls: %v; then asked for and granted %v", highest, g).during(highest.granted, g.granted).of(highest, g))
		}
	}
	return found
}
