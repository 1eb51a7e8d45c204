package draw

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// cut is a part of a history that is drawn: one name, for some time.
type cut struct {
	name     string
	from, to time.Duration
}

const (
	around  = time.Second      // drawn before and after a violation, at least
	longest = 30 * time.Second // of one drawing
	ending  = 5 * time.Second  // drawn of a history without violations
	most    = 40               // drawings
)

// cuts returns what is drawn: the surroundings of each violation that has instants,
// those of one name that overlap together; or the end of the history, if there are
// none.
func cuts(events []history.Event, violations []check.Violation) (all []cut) {
	for _, v := range violations {
		if v.Name == "" || v.From == v.To && v.From == 0 {
			continue
		}
		pad := max(around, (v.To-v.From)/2)
		from, to := v.From-pad, v.To+pad
		all = append(all, cut{v.Name, max(from, to-longest), to})
	}
	if len(all) == 0 {
		all = end(events)
	}
	return merge(all)
}

// end returns the end of the history of each name.
func end(events []history.Event) (all []cut) {
	if len(events) == 0 {
		return nil
	}
	to, seen := events[len(events)-1].At, map[string]bool{"": true}
	for _, e := range events {
		if !seen[e.Name] {
			seen[e.Name] = true
			all = append(all, cut{e.Name, max(to-ending, events[0].At), to})
		}
	}
	return all
}

func merge(all []cut) (merged []cut) {
	slices.SortFunc(all, func(a, b cut) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.from, b.from)) })
	for _, c := range all {
		if n := len(merged) - 1; n >= 0 && merged[n].name == c.name && c.from <= merged[n].to && c.to-merged[n].from <= longest {
			merged[n].to = max(merged[n].to, c.to)
			continue
		}
		merged = append(merged, c)
	}
	slices.SortStableFunc(merged, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	return merged[:min(most, len(merged))]
}
