package check

import (
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// promotions are the instants just before old primaries were killed.
type promotions []time.Duration

// dying is by how much the old primary may have outlived the instant recorded.
const dying = 5 * time.Second

// asynchronous returns the promotions that may have lost what had been confirmed.
func asynchronous(events []history.Event) promotions {
	return promoted(events, func(e history.Event) bool { return e.Detail != history.Sync })
}

func promoted(events []history.Event, which func(history.Event) bool) (p promotions) {
	for _, e := range events {
		if e.Kind == history.Promoted && which(e) {
			p = append(p, e.At)
		}
	}
	slices.Sort(p)
	return p
}

// after reports whether what was done at an instant may have been done on a primary
// that was replaced afterwards.
func (p promotions) after(at time.Duration) bool { return p.within(at, never) }

// within reports whether a primary may have been replaced between two instants.
func (p promotions) within(from, to time.Duration) bool {
	return slices.ContainsFunc(p, func(at time.Duration) bool { return from <= at+dying && at <= to })
}

// prefixes checks what failovers to asynchronous standbys have lost: a standby has
// what its primary wrote up to some instant, and nothing of what came later. So
// when an increment is lost, none is left that began after it was acknowledged and
// was acknowledged before the old primary was killed.
func prefixes(events []history.Event, ledger []database.Entry) (found []Violation) {
	stored := map[string]bool{}
	for _, entry := range ledger {
		stored[entry.ID] = true
	}
	from := time.Duration(0)
	for _, killed := range asynchronous(events) {
		if v := prefix(events, stored, from, killed); v != nil {
			found = append(found, *v)
		}
		from = killed + dying
	}
	return found
}

// prefix checks the increments that were begun and acknowledged between two
// instants.
func prefix(events []history.Event, stored map[string]bool, from, to time.Duration) *Violation {
	begun := map[string]time.Duration{}
	var lost *history.Event // the first that was acknowledged and lost
	for _, e := range events {
		switch {
		case e.At < from || e.At >= to:
		case e.Kind == history.Begun:
			begun[e.ID] = e.At
		case e.Kind != history.Acked || begun[e.ID] == 0:
		case !stored[e.ID] && lost == nil:
			lost = &e
		case stored[e.ID] && lost != nil && begun[e.ID] > lost.At:
			v := violation(Counter, e.Name, "increment %s (of %q), acknowledged at %v, was lost in a failover, and %s, which began later, at %v, was not",
				lost.ID, lost.Name, lost.At, e.ID, begun[e.ID]).during(lost.At, e.At)
			return &v
		}
	}
	return nil
}
