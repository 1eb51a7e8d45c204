package drivertest

import (
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// testDeath: clients of which nothing is heard any more.
func testDeath(t *testing.T, h Harness) {
	cases{
		{"Hazard12_TheHoldersTTLCounts", deathHoldersTTL},
		{"Hazard15_TryTakesOverADeadHolder", deathTry},
		{"WaiterTakesOverADeadHolder", deathWait},
		{"Hazard18_DeadWaitersCostOneTTL", deathOfWaiters},
		{"EndedLeaseIsTakenOverAtOnce", deathEndedLease},
	}.parallel(t, h)
}

// mortal is a bare client that will die.
func (w *world) mortal(ttl time.Duration) *client {
	w.Helper()
	return w.clientOn(w.connect(), ttl)
}

// die ends the client: from now on nothing is heard of it.
func (c *client) die() {
	if c.h.Vanish != nil {
		c.h.Vanish(c.conn)
	}
}

// earliest is when a lock of a client that died may first be granted to
// another: after its trust deadline, unless the store knows that it died.
func (w *world) earliest(sent time.Time, ttl time.Duration) time.Time {
	if w.h.Liveness {
		return sent
	}
	return sent.Add(ttl - max(min(ttl/20, 250*time.Millisecond), ttl/200))
}

// deathHoldersTTL: an observer with a short TTL leaves a healthy holder with a
// long one alone.
func deathHoldersTTL(w *world) {
	long := 6 * w.h.TTL
	holder := w.openOn(w.store, leasehold.Config{TTL: long, Owner: "long"})
	l := w.lock(holder, "a")
	c := w.openOn(w.store, leasehold.Config{TTL: w.h.TTL, Owner: "short", Tolerance: 10 * time.Millisecond})
	next := w.wait(w.ctx(), c, "a", 1)
	for start := time.Now(); time.Since(start) < long/2; time.Sleep(w.h.TTL / 10) {
		select {
		case g := <-next:
			w.Fatalf("the lock was stolen after %v: %v, %v", time.Since(start), g.lock, g.err)
		default:
		}
		if !l.Held() {
			w.Fatalf("the holder lost its lock after %v", time.Since(start))
		}
	}
	w.unlock(l)
	w.unlock(w.granted(next).lock)
}

func deathTry(w *world) {
	ttl, tolerance := w.h.TTL/2, w.h.TTL/4
	c := w.openOn(w.store, leasehold.Config{TTL: w.h.TTL, Tolerance: tolerance})
	dead := w.mortal(ttl)
	dead.hold("a")
	sent := time.Now()
	dead.renew()
	dead.die()
	var l *leasehold.Lock
	await(w.T, "a try takes over", func() bool {
		var err error
		l, err = c.TryAcquire(w.ctx(), "a")
		return err == nil
	})
	if early := time.Until(w.earliest(sent, ttl)); early > 0 {
		w.Errorf("taken over %v before the trust deadline", early)
	}
	if took := time.Since(sent); took > 5*(ttl+tolerance) {
		w.Errorf("taken over after %v, want about %v", took, ttl+tolerance)
	}
	w.unlock(l)
	w.wantNoGhost("a")
}

func deathWait(w *world) {
	ttl := w.h.TTL
	c := w.openShort("heir")
	dead := w.mortal(ttl)
	_, fence := dead.hold("a")
	sent := time.Now()
	dead.renew()
	dead.die()
	g := w.granted(w.acquiring(w.ctx(), c, "a"))
	if early := w.earliest(sent, ttl).Sub(g.at); early > 0 {
		w.Errorf("taken over %v before the trust deadline", early)
	}
	took := g.at.Sub(sent)
	w.Logf("taken over after %v with a TTL of %v", took, ttl)
	if took > 5*ttl {
		w.Errorf("taken over after %v, want about %v", took, ttl)
	}
	if g.lock.Fence() <= fence {
		w.Errorf("fence %d after %d", g.lock.Fence(), fence)
	}
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

func deathOfWaiters(w *world) {
	const k = 12
	ttl := w.h.TTL / 2
	c := w.openShort("heir")
	conn := w.connect()
	dead := w.clientOn(conn, ttl)
	dead.hold("a")
	for range k {
		w.clientOn(conn, ttl).queue("a")
	}
	dead.die()
	start := time.Now()
	g := w.granted(w.acquiring(w.ctx(), c, "a"))
	took := g.at.Sub(start)
	w.Logf("%d dead waiters cost %v with a TTL of %v", k, took, ttl)
	if took > 5*ttl {
		w.Errorf("%d dead waiters cost %v with a TTL of %v", k, took, ttl)
	}
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

// deathEndedLease: a lease that has ended is no reason to wait at all.
func deathEndedLease(w *world) {
	first, second := w.open("first"), w.open("second")
	gone := w.mortal(time.Minute)
	gone.hold("a")
	gone.hold("b")
	gone.end()
	var wg sync.WaitGroup
	var l *leasehold.Lock
	var err error
	wg.Go(func() { l, err = first.TryAcquire(w.Context(), "a") })
	g := w.granted(w.acquiring(w.ctx(), second, "b"))
	wg.Wait()
	if err != nil {
		w.Fatalf("TryAcquire past an ended lease: %v", err)
	}
	w.unlock(l)
	w.unlock(g.lock)
}
