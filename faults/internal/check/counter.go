package check

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// counters finds increments that were lost, repeated, or written by the wrong
// one.
func counters(events []history.Event, remains Remains) []Violation {
	found := sequences(remains)
	found = append(found, acknowledged(events, remains.Ledger)...)
	found = append(found, prefixes(events, remains.Ledger)...)
	return append(found, afterwards(events)...)
}

// sequences checks that the values of each name are 1, 2, 3 and so on up to the
// counter, written under fences that do not fall.
func sequences(remains Remains) (found []Violation) {
	byName := map[string][]database.Entry{}
	for _, e := range remains.Ledger {
		byName[e.Name] = append(byName[e.Name], e)
	}
	for name, counter := range remains.Counters {
		list := byName[name]
		delete(byName, name)
		slices.SortFunc(list, func(a, b database.Entry) int {
			return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Fence, b.Fence))
		})
		if int64(len(list)) != counter {
			found = append(found, violation(Counter, name, "it is %d after %d increments", counter, len(list)))
		}
		found = append(found, sequence(name, list)...)
	}
	for name, list := range byName {
		found = append(found, violation(Counter, name, "%d increments, and no counter", len(list)))
	}
	return found
}

func sequence(name string, list []database.Entry) (found []Violation) {
	for i, e := range list {
		if i == 0 {
			if e.Value != 1 {
				found = append(found, violation(Counter, name, "the first value is %d (%s)", e.Value, e.ID))
			}
			continue
		}
		last := list[i-1]
		if e.Value != last.Value+1 {
			found = append(found, violation(Counter, name, "value %d (%s) follows %d (%s): an update was lost",
				e.Value, e.ID, last.Value, last.ID))
		}
		if e.Fence < last.Fence {
			found = append(found, violation(Counter, name, "value %d was written under fence %d (%s), after fence %d (%s) had written %d",
				e.Value, e.Fence, e.ID, last.Fence, last.ID, last.Value))
		}
	}
	return found
}

// acknowledged checks that the ledger has every increment whose commit was
// confirmed, except what a failover to an asynchronous standby may have lost, none that was aborted, and none that nobody began.
func acknowledged(events []history.Event, ledger []database.Entry) (found []Violation) {
	promotions := asynchronous(events)
	outcomes, begun := map[string]history.Event{}, map[string]time.Duration{}
	for _, e := range events {
		switch e.Kind {
		case history.Begun:
			outcomes[e.ID], begun[e.ID] = e, e.At
		case history.Acked, history.Aborted, history.Unknown:
			outcomes[e.ID] = e
		}
	}
	for _, entry := range ledger {
		e, ok := outcomes[entry.ID]
		switch {
		case !ok:
			found = append(found, violation(Counter, entry.Name, "increment %s is stored, and nobody began it", entry.ID))
		case e.Kind == history.Aborted:
			found = append(found, violation(Counter, entry.Name, "increment %s is stored, and was aborted", entry.ID))
		case e.Name != entry.Name || e.Fence != entry.Fence:
			found = append(found, violation(Counter, entry.Name, "increment %s is stored with fence %d, and was of %q with %d",
				entry.ID, entry.Fence, e.Name, e.Fence))
		}
		delete(outcomes, entry.ID)
	}
	for id, e := range outcomes {
		if e.Kind == history.Acked && !promotions.after(begun[id]) {
			found = append(found, violation(Counter, e.Name, "increment %s was acknowledged, and is not stored", id).during(begun[id], e.At).fence(e.Fence))
		}
	}
	return found
}

// afterwards checks that no increment that began after a release had succeeded was
// confirmed. A grant with an increment that failed before is left out: its
// transaction may keep the lock from passing on for a moment, which it may. So is
// one whose release a failover may have lost.
func afterwards(events []history.Event) (found []Violation) {
	promotions := asynchronous(events)
	released, failed := map[key]bool{}, map[key]bool{}
	since := map[key]time.Duration{}
	late := map[string]bool{}
	for _, e := range events {
		k := key{e.Client, e.Op}
		switch e.Kind {
		case history.Released:
			released[k], since[k] = e.Detail == "", e.At
		case history.Begun:
			late[e.ID] = released[k] && !failed[k]
		case history.Aborted, history.Unknown:
			failed[k] = true
		case history.Acked:
			if late[e.ID] && !promotions.within(since[k], e.At) {
				found = append(found, violation(Counter, e.Name, "increment %s began after its lock, fence %d, was released, and was committed", e.ID, e.Fence).during(since[k], e.At).fence(e.Fence))
			}
		}
	}
	return found
}
