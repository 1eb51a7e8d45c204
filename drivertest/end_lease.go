package drivertest

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testEndLease(t *testing.T, h Harness) {
	cases{
		{"Own", endOwn},
		{"Observed", endObserved},
		{"ObservedOlderBeat", endObservedOlderBeat},
		{"Overdue", endOverdue},
		{"DeadRefusesTheLiving", endDeadRefuses},
		{"Dead", endDead},
	}.parallel(t, h)
}

func endOwn(w *world) {
	c, other := w.client(), w.client()
	a, fence := c.hold("a")
	waiter := other.queue("a")
	other.hold("b")
	c.end()
	if _, ok := w.state("a", c); ok {
		w.Error("the lease still has a row")
	}
	if row := w.wantRow("a", a, waiter); row.Fence != fence {
		w.Errorf("ending a lease touched its lock: fence %d, want %d", row.Fence, fence)
	}
	if _, ok := w.state("b", other); !ok {
		w.Error("another lease was ended too")
	}
	c.end() // again
	c.endLease(driver.NewID(), driver.Grounds{Own: true}, true)
	c.endLease(driver.NewID(), driver.Grounds{Observed: 1}, true)
	c.endLease(driver.NewID(), driver.Grounds{Overdue: time.Hour}, true)
	c.endLease(driver.NewID(), driver.Grounds{Dead: true}, true)
}

func endObserved(w *world) {
	c, observer := w.client(), w.client()
	a, _ := c.hold("a")
	state, _ := w.state("a", c)
	gone := observer.mayEnd(c, driver.Grounds{Observed: state.Beat})
	if !gone && !w.h.Liveness {
		w.Error("a lease with the observed beat was not ended")
	}
	w.wantRow("a", a)
}

// mayEnd ends the lease of c on grounds that a store with knowledge of its own
// may refuse, and checks that the answer is true to the row.
func (c *client) mayEnd(victim *client, grounds driver.Grounds) bool {
	c.Helper()
	gone, err := c.conn.EndLease(c.ctx(), victim.lease.ID, grounds)
	if err != nil {
		c.Fatalf("EndLease(%+v): %v", grounds, err)
	}
	if _, there := c.state("a", victim); there == gone {
		c.Fatalf("EndLease(%+v) says gone %v; the row is there: %v", grounds, gone, there)
	}
	return gone
}

func endObservedOlderBeat(w *world) {
	c, observer := w.client(), w.client()
	c.hold("a")
	state, _ := w.state("a", c)
	c.renew()
	observer.endLease(c.lease.ID, driver.Grounds{Observed: state.Beat}, false)
	observer.endLease(c.lease.ID, driver.Grounds{Observed: state.Beat + 1000}, false)
	if _, ok := w.state("a", c); !ok {
		w.Fatal("the lease was ended by a stale observation")
	}
	c.renew()
}

func endOverdue(w *world) {
	const ttl, tolerance = 100 * time.Millisecond, 100 * time.Millisecond
	observer := w.client()
	fresh := w.clientOn(w.connect(), time.Minute)
	fresh.hold("fresh")
	sent := time.Now()
	c := w.clientOn(w.connect(), ttl)
	c.hold("a")
	sent = w.postpone(c, sent)

	await(w.T, "an overdue lease is ended", func() bool {
		gone := observer.mayEnd(c, driver.Grounds{Overdue: tolerance})
		// A store that keeps milliseconds may be one early.
		if early := ttl + tolerance - 2*time.Millisecond - time.Since(sent); gone && early > 0 {
			w.Fatalf("ended %v before it was overdue", early)
		}
		return gone || w.h.Liveness && time.Since(sent) > ttl+tolerance
	})
	observer.endLease(fresh.lease.ID, driver.Grounds{Overdue: time.Millisecond}, false)
	fresh.renew()
}

// postpone renews the lease of c when half its TTL has passed since sent, and
// returns when that was sent: it counts from there.
func (w *world) postpone(c *client, sent time.Time) time.Time {
	w.Helper()
	await(w.T, "half a TTL passes", func() bool { return time.Since(sent) >= c.lease.TTL/2 })
	sent = time.Now()
	c.renew()
	return sent
}

func endDeadRefuses(w *world) {
	c, observer := w.client(), w.client()
	c.hold("a")
	observer.endLease(c.lease.ID, driver.Grounds{Dead: true}, false)
	c.renew()
}

func endDead(w *world) {
	c, observer := w.client(), w.client()
	a, _ := c.hold("a")
	if w.h.Vanish != nil {
		w.h.Vanish(c.conn)
	}
	if !w.h.Liveness {
		state, ok := w.state("a", c)
		if !ok || state.Liveness != driver.Unknown {
			w.Errorf("liveness of a silent lease: %v (row %v), want Unknown", state.Liveness, ok)
		}
		observer.endLease(c.lease.ID, driver.Grounds{Dead: true}, false)
		return
	}
	await(w.T, "the store knows that the client is gone", func() bool {
		state, ok := w.state("a", c)
		return ok && state.Liveness == driver.Dead
	})
	observer.endLease(c.lease.ID, driver.Grounds{Dead: true}, true)
	w.wantRow("a", a)
	observer.takeOver("a", 0, c.lease.ID)
	w.wantRow("a", nobody)
}
