package drivertest

import (
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testMinHold(t *testing.T, h Harness) {
	if h.Lacks.MinHold {
		cases{{"Unsupported", unsupported(minHold(time.Minute))}}.parallel(t, h)
		return
	}
	cases{
		{"KeptAfterRelease", keptAfterRelease},
		{"KeptAfterDeath", keptAfterDeath},
		{"KeptAfterRevocation", keptAfterRevocation},
		{"KeptAsALock", keptAsALock},
		{"OverIsServedByTakeOver", keptServedByTakeOver},
		{"OverIsServedByAcquire", keptServedByAcquire},
		{"OverIsGrantedToWhoAsks", keptGrantedToWhoAsks},
		{"OverBeforeTheRelease", keptOverBeforeRelease},
		{"WaitersComeAndGo", keptWaiters},
		{"RevokeEndsIt", keptRevoked},
		{"OfTheNextHolder", keptByTheNext},
		{"ReadersAfterIt", keptThenShared},
	}.parallel(t, h)
}

// long is longer than any test.
const long = time.Hour

// wantKept checks that nobody holds name, that it is kept for no longer than most, and
// who waits.
func (w *world) wantKept(name string, most time.Duration, queue ...driver.Attempt) driver.Lock {
	w.Helper()
	row := w.wantRow(name, nobody, queue...)
	if row.Kept <= 0 || row.Kept > most || row.KeptUntil.IsZero() || row.Mark != nil || !row.Since.IsZero() {
		w.Fatalf("%q is not kept as it should be, for at most %v: %+v", name, most, row)
	}
	return row
}

func keptAfterRelease(w *world) {
	c := w.client()
	a, grant := c.holdAs("a", minHold(long))
	if row := w.wantRow("a", a); row.Kept != 0 || row.Fence != grant.Fence || !row.KeptUntil.After(row.Since) {
		w.Errorf("while it is held: %+v", row)
	}
	b := w.client().queue("a")
	c.release(a, driver.Released)
	row := w.wantKept("a", long, b)
	if row.Kept < long-patience || row.Fence != grant.Fence {
		w.Errorf("kept for %v, fence %d after %d", row.Kept, row.Fence, grant.Fence)
	}
	c.release(a, driver.Absent)
	c.takeOver("a", 0)
	c.takeOver("a", grant.Fence)
	c.refused("a", driver.Terms{})
	c.refused("a", minHold(long))
	w.wantSame(row)
}

func keptAfterDeath(w *world) {
	dead, c := w.client(), w.client()
	dead.holdAs("a", minHold(long))
	dead.queue("a")
	b := c.queue("a")
	dead.end()
	c.takeOver("a", 0, dead.lease.ID)
	w.wantKept("a", long, b)
}

func keptAfterRevocation(w *world) {
	c := w.client()
	_, grant := c.holdAs("a", minHold(long))
	b := c.queue("a")
	c.revoke("a", grant.Fence, driver.Mark{By: "op"})
	c.takeOver("a", grant.Fence)
	w.wantKept("a", long, b)
}

func keptAsALock(w *world) {
	c := w.client()
	a, _ := c.holdAs("a", minHold(long))
	c.release(a, driver.Released)
	if !w.h.Lacks.Permits {
		c.disagrees("a", permits(2), 0)
	}
	if !w.h.Lacks.Shared {
		c.refused("a", shared)
		b := c.queueAs("a", shared)
		w.wantKept("a", long, b)
	}
}

const short = 300 * time.Millisecond

// keptBriefly makes name one that is kept for a short time, and returns the instant
// before which nobody may have it.
func (c *client) keptBriefly(name string) time.Time {
	c.Helper()
	asked := time.Now()
	a, _ := c.holdAs(name, minHold(short))
	c.release(a, driver.Released)
	return asked.Add(short)
}

// notBefore fails the test if something has happened too early.
func (w *world) notBefore(due time.Time) {
	w.Helper()
	if early := time.Until(due); early > 2*time.Millisecond { // some stores keep milliseconds
		w.Fatalf("it happened %v too early", early)
	}
}

func keptServedByTakeOver(w *world) {
	c := w.client()
	due := c.keptBriefly("a")
	b, d := c.queue("a"), c.queue("a")
	await(w.T, "the queue is served", func() bool {
		c.takeOver("a", 0)
		row := w.row("a")
		return row.HeldBy(b.Place())
	})
	w.notBefore(due)
	w.wantRow("a", b, d)
}

func keptServedByAcquire(w *world) {
	c := w.client()
	due := c.keptBriefly("a")
	b := c.queue("a")
	await(w.T, "the queue is served", func() bool {
		reply := c.acquire(c.attempt("a"), false)
		return reply.Lock.HeldBy(b.Place())
	})
	w.notBefore(due)
	if row := w.wantRow("a", b); row.Kept != 0 || !row.KeptUntil.IsZero() {
		w.Errorf("a holder without a minimum hold inherited one: %+v", row)
	}
}

func keptGrantedToWhoAsks(w *world) {
	c := w.client()
	due := c.keptBriefly("a")
	a := c.attempt("a")
	await(w.T, "an attempt is granted", func() bool {
		reply := c.acquire(a, false)
		return reply.Lock.HeldBy(a.Place())
	})
	w.notBefore(due)
}

func keptOverBeforeRelease(w *world) {
	c := w.client()
	a, _ := c.holdAs("a", minHold(time.Millisecond))
	b := c.queue("a")
	time.Sleep(10 * time.Millisecond) // nothing happens then that could be awaited
	w.wantRow("a", a, b)
	c.release(a, driver.Released)
	if row := w.wantRow("a", b); !row.KeptUntil.IsZero() {
		w.Errorf("the next holder inherited a minimum hold: %+v", row)
	}
}

func keptWaiters(w *world) {
	c, dead := w.client(), w.client()
	a, _ := c.holdAs("a", minHold(long))
	c.release(a, driver.Released)
	b, d := c.queue("a"), c.queue("a")
	dead.queue("a")
	w.wantKept("a", long, b, d, w.lastWaiter("a"))
	c.release(b, driver.Cancelled)
	dead.end()
	c.takeOver("a", 0, dead.lease.ID)
	w.wantKept("a", long, d)
	c.release(d, driver.Cancelled)
	w.wantKept("a", long)
}

// lastWaiter returns whoever waits last for name.
func (w *world) lastWaiter(name string) driver.Attempt {
	w.Helper()
	row := w.row(name)
	last := row.Queue[len(row.Queue)-1]
	return driver.Attempt{Name: name, Lease: last.Lease, Ticket: last.Ticket, Terms: last.Terms}
}

func keptRevoked(w *world) {
	c := w.client()
	a, grant := c.holdAs("a", minHold(long))
	_, other := c.holdAs("b", minHold(long))
	b := c.queue("a")
	c.release(a, driver.Released)
	before := w.wantKept("a", long, b)
	for _, fence := range []uint64{grant.Fence + 1, grant.Fence - 1, 0} {
		if err := c.conn.Revoke(w.ctx(), "a", fence, driver.Mark{By: "op"}); !errors.Is(err, driver.ErrNotHeld) {
			w.Errorf("Revoke of fence %d: %v, want ErrNotHeld", fence, err)
		}
	}
	w.wantSame(before)
	c.revoke("a", grant.Fence, driver.Mark{By: "op"})
	if row := w.wantRow("a", b); row.Fence <= grant.Fence || row.Mark != nil || !row.KeptUntil.IsZero() {
		w.Errorf("after the end of the minimum hold: %+v", row)
	}
	c.end()
	free := w.client()
	free.takeOver("b", 0, c.lease.ID)
	w.wantKept("b", long)
	free.revoke("b", other.Fence, driver.Mark{By: "op"})
	free.hold("b")
}

func keptByTheNext(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	b := c.queueAs("a", minHold(long))
	d := c.queue("a")
	c.release(a, driver.Released)
	w.wantRow("a", b, d)
	c.release(b, driver.Released)
	w.wantKept("a", long, d)
}

func keptThenShared(w *world) {
	if w.h.Lacks.Shared {
		return
	}
	c := w.client()
	due := c.keptBriefly("a")
	b, d := c.queueAs("a", shared), c.queueAs("a", shared)
	await(w.T, "the queue is served", func() bool {
		c.release(c.attempt("a"), driver.Absent) // of nobody, but it serves
		row := w.row("a")
		return row.Held()
	})
	w.notBefore(due)
	w.wantMembers("a", members{b, d})
}
