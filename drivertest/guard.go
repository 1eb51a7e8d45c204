package drivertest

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testGuard(t *testing.T, h Harness) {
	cases{
		{"ReleaseDoesNotPassAGuard", guardStopsRelease},
		{"TakeOverDoesNotPassAGuard", guardStopsTakeOver},
		{"OfALockThatIsShared", guardShared},
	}.parallel(t, h)
}

// guardStopsRelease: while a guarded transaction is in progress Release neither
// hands over nor waits; afterwards it does its work.
func guardStopsRelease(w *world) {
	holder, waiter := w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	end := w.h.Guard(w.T, w.store, driver.Hold{Attempt: a, Fence: fence, Conn: holder.conn})
	before := w.row("a")
	start := time.Now()
	got, err := holder.conn.Release(w.ctx(), a)
	if err == nil && got != driver.Busy {
		w.Errorf("Release under a guard: outcome %s, want Busy or an error", outcome(got))
	}
	if took := time.Since(start); took > 5*w.h.TTL {
		w.Errorf("Release waited %v for a guard", took)
	}
	w.wantSame(before)
	end()
	if got := releaseUntilKnown(w.T, holder.conn, a); got != driver.Released {
		w.Errorf("Release after the guard: outcome %s, want Released", outcome(got))
	}
	w.wantRow("a", b)
}

func guardStopsTakeOver(w *world) {
	holder, waiter, observer := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	end := w.h.Guard(w.T, w.store, driver.Hold{Attempt: a, Fence: fence, Conn: holder.conn})
	before := w.row("a")
	start := time.Now()
	// The lease may be guarded as well: any of the two may refuse.
	_, _ = holder.conn.EndLease(w.ctx(), holder.lease.ID, driver.Grounds{Own: true})
	_ = observer.conn.TakeOver(w.ctx(), "a", []driver.ID{holder.lease.ID}, 0)
	if took := time.Since(start); took > 5*w.h.TTL {
		w.Errorf("TakeOver waited %v for a guard", took)
	}
	w.wantSame(before)
	end()
	await(w.T, "the lock passes when the guard has ended", func() bool {
		gone, err := holder.conn.EndLease(w.ctx(), holder.lease.ID, driver.Grounds{Own: true})
		if err != nil || !gone {
			return false
		}
		if err := observer.conn.TakeOver(w.ctx(), "a", []driver.ID{holder.lease.ID}, 0); err != nil {
			return false
		}
		row := w.row("a")
		return row.HeldBy(b.Place())
	})
}

// guardShared: who shares a lock guards it too, and those who queue meanwhile are served
// when the guard has ended.
func guardShared(w *world) {
	if w.h.Lacks.Shared {
		return
	}
	first, second, writer := w.client(), w.client(), w.client()
	a, grant := first.holdAs("a", shared)
	b, _ := second.holdAs("a", shared)
	c := writer.queue("a")
	end := w.h.Guard(w.T, w.store, driver.Hold{Attempt: a, Fence: grant.Fence, Conn: first.conn})
	before := w.row("a")
	if got, err := first.conn.Release(w.ctx(), a); err == nil && got != driver.Busy {
		w.Errorf("Release under a guard: outcome %s, want Busy or an error", outcome(got))
	}
	w.wantSame(before)
	end()
	for _, reader := range []struct {
		*client
		held driver.Attempt
	}{{first, a}, {second, b}} {
		if got := releaseUntilKnown(w.T, reader.conn, reader.held); got != driver.Released {
			w.Errorf("Release after the guard: outcome %s, want Released", outcome(got))
		}
	}
	w.wantRow("a", c)
}
