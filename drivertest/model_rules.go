package drivertest

import (
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
)

// The rules that hold between one call and the next, whatever the machine says:
// were the specification itself wrong, these would show it.

// mayLeave notes that the call in progress may remove p.
func (m *model) mayLeave(p driver.Place) { m.leaving = append(m.leaving, p) }

// checkRules compares the row with what it was before the call.
func (m *model) checkRules(after driver.Lock) {
	m.Helper()
	before := m.before[after.Name]
	m.before[after.Name] = after
	if after.Fence < before.Fence {
		m.failf("the fence of %q fell from %d to %d", after.Name, before.Fence, after.Fence)
	}
	if after.Held() && after.Holder != before.Holder && after.Fence <= before.Fence {
		m.failf("%q has a new holder with fence %d after %d", after.Name, after.Fence, before.Fence)
	}
	if !after.Held() && (len(after.Queue) > 0 || after.Mark != nil) {
		m.failf("a free lock with a queue or a mark: %+v", after)
	}
	now := everybody(after)
	for i, p := range now {
		if slices.Contains(now[i+1:], p) {
			m.failf("%v occurs twice: %+v", p, after)
		}
	}
	for _, p := range everybody(before) {
		if !slices.Contains(now, p) && !slices.Contains(m.leaving, p) {
			m.failf("%v has vanished:\nbefore %+v\nafter  %+v", p, before, after)
		}
	}
}

// everybody returns those who hold and the waiters.
func everybody(lock driver.Lock) []driver.Place { return slices.Collect(lock.Places()) }
