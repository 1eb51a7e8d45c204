package drivertest

import (
	"bytes"
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
)

// adoptRow adopts the store's fence of name.
func (m *model) adoptRow(name string, before uint64) {
	m.Helper()
	if m.lock(name).Fence != before {
		m.adopt(m.lock(name), before, m.row(name))
	}
}

// compare compares all rows with the model's.
func (m *model) compare() {
	m.Helper()
	defer func() { m.leaving = nil }()
	view := m.read(driver.Query{Limit: len(m.names) + 1})
	for _, got := range view.Locks {
		m.checkRules(got)
		m.equal(*m.lock(got.Name), got)
		m.leasesOf(view, got)
	}
	for name, want := range m.locks {
		if want.Fence != 0 && !slices.Contains(namesOf(view), name) {
			m.failf("%q has no row; want %+v", name, *want)
		}
	}
}

// leasesOf checks that the view shows the living leases of a row, and no other.
func (m *model) leasesOf(view driver.View, lock driver.Lock) {
	m.Helper()
	for p := range lock.Places() {
		lives := slices.ContainsFunc(m.clients, func(c *modelClient) bool { return c.lease.ID == p.Lease })
		if _, shown := view.Leases[p.Lease]; shown != lives {
			m.failf("lease %v of %q: shown %v, lives %v", p.Lease, lock.Name, shown, lives)
		}
	}
}

// adopt takes the fences of new grants over from the store, whose clock the
// model does not know; they must have risen, in the order of the grants.
func (m *model) adopt(want *driver.Lock, before uint64, got driver.Lock) {
	m.Helper()
	if want.Fence == before {
		return
	}
	last := before
	want.Members = slices.Clone(want.Members)
	for i, g := range want.Members {
		if g.Fence > before {
			want.Members[i].Fence = m.risen(got, g.Place, last)
			last = want.Members[i].Fence
		}
	}
	if want.Holder != (driver.Place{}) {
		last = m.risen(got, want.Holder, last)
	}
	want.Fence = last
}

// risen returns the fence of p in the store's row, which must be higher than last.
func (m *model) risen(got driver.Lock, p driver.Place, last uint64) uint64 {
	m.Helper()
	g, ok := got.GrantOf(p)
	if !ok || g.Fence <= last {
		m.failf("%q was granted to %v as %+v, after fence %d", got.Name, p, g, last)
	}
	return g.Fence
}

func (m *model) equal(want, got driver.Lock) {
	m.Helper()
	sameGrants := slices.EqualFunc(slices.Collect(want.Grants()), slices.Collect(got.Grants()), func(a, b driver.Grant) bool {
		return a.Place == b.Place && a.Fence == b.Fence && sameMark(a.Mark, b.Mark)
	})
	if got.Name != want.Name || got.Fence != want.Fence || got.Limit != want.Limit || !sameGrants || !slices.Equal(got.Queue, want.Queue) {
		m.failf("the store differs from the model:\nstore %+v\nmodel %+v", got, want)
	}
	kept := !want.KeptUntil.IsZero()
	if got.KeptUntil.IsZero() == kept || (got.Kept > 0) != (kept && !want.Held()) || got.Kept > long {
		m.failf("kept differs from the model:\nstore %+v\nmodel %+v", got, want)
	}
	if !bytes.Equal(got.Data, want.Data) || got.KeepData != want.KeepData {
		m.failf("data differs from the model:\nstore %+v\nmodel %+v", got, want)
	}
}
