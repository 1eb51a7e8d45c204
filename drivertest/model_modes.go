package drivertest

import (
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// someTerms draws terms that the store offers, those of a lock most often. A minimum hold
// is either not over in the test, or ended by a revocation: so the model needs no clock.
func (m *model) someTerms() driver.Terms {
	switch n := m.rand.IntN(12); {
	case n < 4 && !m.h.Lacks.Shared:
		return shared
	case n < 5 && !m.h.Lacks.MinHold:
		return minHold(long)
	case n < 7 && !m.h.Lacks.Permits:
		return permits(2 + n%2)
	default:
		return driver.Terms{}
	}
}

func (m *model) setData(a driver.Attempt) {
	m.Helper()
	if m.h.Lacks.Data {
		return
	}
	m.marks++
	data := fmt.Append(nil, "data ", m.marks)
	if m.rand.IntN(4) == 0 {
		data = nil
	}
	keep := m.rand.IntN(2) == 0
	m.note("set data %v %q keep %v", a, data, keep)
	held, _ := machine.SetData(m.lock(a.Name), a.Place(), data, keep)
	err := m.connOf(a.Lease).(driver.DataKeeper).SetData(m.ctx(), a, data, keep)
	if held != (err == nil) || err != nil && !errors.Is(err, driver.ErrNotHeld) {
		m.failf("SetData, held %v: %v", held, err)
	}
}

// drain ends every attempt, and every minimum hold; nobody may be left.
func (m *model) drain() {
	m.Helper()
	for range m.attempts {
		left := 0
		for _, name := range m.names {
			row := m.lock(name)
			for _, p := range everybody(*row) {
				left++
				m.release(driver.Attempt{Name: name, Lease: p.Lease, Ticket: p.Ticket})
			}
			if !row.KeptUntil.IsZero() && !row.Held() {
				left++
				m.revokeUnder(name, row.Fence)
			}
			m.compare()
		}
		if left == 0 {
			return
		}
	}
	m.failf("left over: %+v", m.locks)
}
