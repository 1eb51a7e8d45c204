package drivertest

import (
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testTakeOver(t *testing.T, h Harness) {
	cases{
		{"FreesADeadHolder", takeOverFrees},
		{"PromotesTheHeadNotTheCaller", takeOverPromotesTheHead},
		{"RemovesDeadWaiters", takeOverRemovesWaiters},
		{"Hazard18_DeadWaitersLeaveTogether", deadWaitersLeaveTogether},
		{"NothingGone", takeOverNothing},
		{"OneNameOnly", takeOverOneName},
		{"EndsARevokedGrant", takeOverEndsRevoked},
		{"EndsNoOtherGrant", takeOverEndsNoOther},
		{"NeverLocked", takeOverNeverLocked},
	}.parallel(t, h)
}

func takeOverFrees(w *world) {
	dead, c := w.client(), w.client()
	_, fence := dead.hold("a")
	dead.end()
	c.takeOver("a", 0, dead.lease.ID)
	row := w.wantRow("a", nobody)
	if row.Fence != fence {
		w.Errorf("freeing changed the fence from %d to %d", fence, row.Fence)
	}
	c.takeOver("a", 0, dead.lease.ID) // again
	w.wantSame(row)
	if _, next := c.hold("a"); next <= fence {
		w.Errorf("fence %d after %d", next, fence)
	}
}

func takeOverPromotesTheHead(w *world) {
	dead, head, tail, caller := w.client(), w.client(), w.client(), w.client()
	_, fence := dead.hold("a")
	b, c := head.queue("a"), tail.queue("a")
	d := caller.queue("a")
	dead.end()
	caller.takeOver("a", 0, dead.lease.ID)
	row := w.wantRow("a", b, c, d)
	if row.Fence <= fence {
		w.Errorf("taken over with fence %d after %d", row.Fence, fence)
	}
	w.client().takeOver("a", 0, dead.lease.ID) // another observer, late
	w.wantSame(row)
}

func takeOverRemovesWaiters(w *world) {
	holder, dead, live := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	dead.queue("a")
	b := live.queue("a")
	dead.queue("a")
	c := holder.queue("a")
	dead.queue("a")
	dead.end()
	live.takeOver("a", 0, dead.lease.ID)
	row := w.wantRow("a", a, b, c)
	if row.Fence != fence {
		w.Errorf("removing waiters changed the fence from %d to %d", fence, row.Fence)
	}
	live.takeOver("a", 0, dead.lease.ID)
	w.wantSame(row)
}

func deadWaitersLeaveTogether(w *world) {
	conn := w.connect()
	holder, live := w.client(), w.client()
	holder.hold("a")
	gone := []driver.ID{holder.lease.ID}
	for range 5 {
		dead := w.clientOn(conn, w.h.TTL)
		dead.queue("a")
		gone = append(gone, dead.lease.ID)
		dead.end()
	}
	b := live.queue("a")
	holder.end()
	live.takeOver("a", 0, gone...)
	w.wantRow("a", b)
}

func takeOverNothing(w *world) {
	holder, waiter, caller := w.client(), w.client(), w.client()
	holder.hold("a")
	waiter.queue("a")
	before := w.row("a")
	caller.takeOver("a", 0)
	caller.takeOver("a", 0, driver.NewID()) // gone, but not here
	w.wantSame(before)
}

func takeOverOneName(w *world) {
	dead, c := w.client(), w.client()
	dead.hold("a")
	dead.hold("b")
	other := w.row("b")
	dead.end()
	c.takeOver("a", 0, dead.lease.ID)
	w.wantRow("a", nobody)
	w.wantSame(other)
}

func takeOverEndsRevoked(w *world) {
	holder, waiter, operator := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	operator.revoke("a", fence, driver.Mark{By: "op", Reason: "stuck"})
	operator.takeOver("a", fence)
	row := w.wantRow("a", b)
	if row.Fence <= fence || row.Mark != nil {
		w.Errorf("after a revoked grant with fence %d: %+v", fence, row)
	}
	operator.takeOver("a", fence) // again: that grant is over
	w.wantSame(row)
	holder.release(a, driver.Absent)
	w.wantSame(row)
}

func takeOverEndsNoOther(w *world) {
	holder, waiter, operator := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	before := w.row("a")
	operator.takeOver("a", fence) // not revoked
	w.wantSame(before)
	operator.revoke("a", fence, driver.Mark{By: "op"})
	marked := w.wantRow("a", a, b)
	for _, other := range []uint64{0, fence - 1, fence + 1} {
		operator.takeOver("a", other)
		w.wantSame(marked)
	}
	holder.release(a, driver.Released)
	row := w.wantRow("a", b)
	operator.takeOver("a", fence)
	operator.takeOver("a", row.Fence) // in force, not revoked
	w.wantSame(row)
}

func takeOverNeverLocked(w *world) {
	c := w.client()
	c.takeOver("a", 0, driver.NewID())
	c.takeOver("a", 1)
	w.wantNone("a")
}
