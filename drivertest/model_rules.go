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
	if after.Holder != (driver.Place{}) && len(after.Members) > 0 || after.Limit > 0 && len(after.Members) > after.Limit {
		m.failf("too many hold: %+v", after)
	}
	if !after.Held() && (len(after.Queue) > 0 && after.KeptUntil.IsZero() || after.Mark != nil) {
		m.failf("a free lock with a queue or a mark: %+v", after)
	}
	if len(after.Queue) > 0 && after.Queue[0].Terms.Mode == driver.Shared && len(after.Members) > 0 {
		m.failf("a reader waits behind readers: %+v", after)
	}
	m.checkGrants(before, after)
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

// checkGrants checks that each new grant has a fence above all of before, and that nobody
// was granted past one who waits still.
func (m *model) checkGrants(before, after driver.Lock) {
	m.Helper()
	for g := range after.Grants() {
		if before.HeldBy(g.Place) {
			continue
		}
		if g.Fence <= before.Fence {
			m.failf("%q has a new holder with fence %d after %d", after.Name, g.Fence, before.Fence)
		}
		for _, first := range before.Queue {
			if first.Place == g.Place {
				break
			}
			if after.Ahead(first.Place) >= 0 {
				m.failf("%v overtook %v:\nbefore %+v\nafter  %+v", g.Place, first.Place, before, after)
			}
		}
	}
}

// everybody returns those who hold and the waiters.
func everybody(lock driver.Lock) []driver.Place { return slices.Collect(lock.Places()) }
