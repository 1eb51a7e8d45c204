package drivertest

import (
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testRelease(t *testing.T, h Harness) {
	cases{
		{"FreesTheLock", releaseFrees},
		{"HandsOverToTheHead", releaseHandsOver},
		{"CancelsAWait", releaseCancels},
		{"Repeated", releaseRepeated},
		{"NeverLocked", releaseNeverLocked},
		{"WithoutALease", releaseWithoutALease},
		{"Hazard07_FailedTryReleasesNothing", failedTryReleasesNothing},
		{"Hazard14_ReleaseByOldHolder", releaseByOldHolder},
		{"ForeignAttempts", releaseForeign},
	}.parallel(t, h)
}

func releaseFrees(w *world) {
	c := w.client()
	a, fence := c.hold("a")
	c.hold("b")
	other := w.row("b")
	c.release(a, driver.Released)
	row := w.wantRow("a", nobody)
	if row.Fence != fence || row.Mark != nil || !row.Since.IsZero() || row.Age != 0 {
		w.Errorf("a released lock is %+v, want fence %d and no more", row, fence)
	}
	w.wantSame(other)
}

func releaseHandsOver(w *world) {
	holder, first, second := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b, c := first.queue("a"), second.queue("a")
	holder.release(a, driver.Released)
	row := w.wantRow("a", b, c)
	if row.Fence <= fence {
		w.Errorf("handed over with fence %d after %d", row.Fence, fence)
	}
	if row.Since.IsZero() || row.Mark != nil {
		w.Errorf("handed over as %+v", row)
	}
	first.release(b, driver.Released)
	if last := w.wantRow("a", c); last.Fence <= row.Fence {
		w.Errorf("handed over with fence %d after %d", last.Fence, row.Fence)
	}
	second.release(c, driver.Released)
	w.wantRow("a", nobody)
}

func releaseCancels(w *world) {
	holder, c := w.client(), w.client()
	a, fence := holder.hold("a")
	q := []driver.Attempt{c.queue("a"), c.queue("a"), c.queue("a"), c.queue("a"), c.queue("a")}
	c.release(q[2], driver.Cancelled) // the middle
	w.wantRow("a", a, q[0], q[1], q[3], q[4])
	c.release(q[0], driver.Cancelled) // the head
	w.wantRow("a", a, q[1], q[3], q[4])
	c.release(q[4], driver.Cancelled) // the tail
	if row := w.wantRow("a", a, q[1], q[3]); row.Fence != fence {
		w.Errorf("cancelling changed the fence from %d to %d", fence, row.Fence)
	}
}

func releaseRepeated(w *world) {
	holder, first, second := w.client(), w.client(), w.client()
	a, _ := holder.hold("a")
	b, c := first.queue("a"), second.queue("a")
	holder.release(a, driver.Released)
	holder.release(a, driver.Absent)
	w.wantRow("a", b, c)
	second.release(c, driver.Cancelled)
	second.release(c, driver.Absent)
	w.wantRow("a", b)
}

func releaseNeverLocked(w *world) {
	c := w.client()
	c.release(c.attempt("a"), driver.Absent)
	w.wantNone("a")
}

// releaseWithoutALease: what a client left in a row it may take out of it, even
// after its lease has ended.
func releaseWithoutALease(w *world) {
	holder, waiter, other := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b, c := waiter.queue("a"), other.queue("a")
	holder.end()
	waiter.end()
	waiter.release(b, driver.Cancelled)
	w.wantRow("a", a, c)
	holder.release(a, driver.Released)
	if row := w.wantRow("a", c); row.Fence <= fence {
		w.Errorf("handed over with fence %d after %d", row.Fence, fence)
	}
}

func failedTryReleasesNothing(w *world) {
	holder, waiter, c := w.client(), w.client(), w.client()
	holder.hold("a")
	waiter.queue("a")
	before := w.row("a")
	try := c.attempt("a")
	c.acquire(try, false)
	c.release(try, driver.Absent)
	w.wantSame(before)
}

func releaseByOldHolder(w *world) {
	old, heir, waiter := w.client(), w.client(), w.client()
	a, _ := old.hold("a")
	b, c := heir.queue("a"), waiter.queue("a")
	old.end()
	heir.takeOver("a", 0, old.lease.ID)
	before := w.wantRow("a", b, c)
	old.release(a, driver.Absent)
	w.wantSame(before)
}

func releaseForeign(w *world) {
	holder, waiter, thief := w.client(), w.client(), w.client()
	a, _ := holder.hold("a")
	b := waiter.queue("a")
	other, _ := thief.hold("b")
	rowA, rowB := w.row("a"), w.row("b")
	for _, forged := range []driver.Attempt{
		{Name: "a", Lease: thief.lease.ID, Ticket: a.Ticket},    // the holder's ticket, another lease
		{Name: "a", Lease: thief.lease.ID, Ticket: b.Ticket},    // a waiter's ticket, another lease
		{Name: "a", Lease: a.Lease, Ticket: other.Ticket},       // the holder's lease, another ticket
		{Name: "a", Lease: b.Lease, Ticket: driver.NewID()},     // a waiter's lease, another ticket
		{Name: "a", Lease: other.Lease, Ticket: other.Ticket},   // a holder, but of another name
		{Name: "b", Lease: a.Lease, Ticket: a.Ticket},           // likewise
		{Name: "b", Lease: b.Lease, Ticket: b.Ticket},           // a waiter, but for another name
		{Name: "a", Lease: a.Lease, Ticket: b.Ticket},           // of two, one half each
		{Name: "a", Lease: b.Lease, Ticket: a.Ticket},           // likewise
		{Name: "a", Lease: driver.NewID(), Ticket: a.Ticket},    // a lease that never was
		{Name: "a", Lease: driver.ID{}, Ticket: driver.ID{}},    // nobody
		{Name: "a\x01", Lease: a.Lease, Ticket: a.Ticket},       // a name that begins with the name
		{Name: "A", Lease: a.Lease, Ticket: a.Ticket},           // the name in capitals
		{Name: "unknown", Lease: a.Lease, Ticket: a.Ticket},     // a name never locked
		{Name: "a", Lease: thief.lease.ID, Ticket: driver.ID{}}, // no ticket
	} {
		thief.release(forged, driver.Absent)
		w.wantSame(rowA)
		w.wantSame(rowB)
	}
}
