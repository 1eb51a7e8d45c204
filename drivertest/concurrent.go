package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// testConcurrent is level 3: goroutines on several Conns acquire, try, wait,
// cancel, release, are revoked, and die, while a witness watches.
func testConcurrent(t *testing.T, h Harness) {
	cases{
		{"ExclusionOrderAndNoGhost", exclusionOrderNoGhost},
		{"TriesOnly", triesOnly},
		{"SharedAndPermits", sharedAndPermits},
	}.run(t, h)
}

func exclusionOrderNoGhost(w *world) { runCrowd(w, "hot", "warm") }

const (
	sharedName  = "shared by many"
	permitsName = "with permits"
)

func sharedAndPermits(w *world) {
	var names []string
	if !w.h.Lacks.Shared {
		names = append(names, sharedName)
	}
	if !w.h.Lacks.Permits {
		names = append(names, permitsName)
	}
	if len(names) > 0 {
		runCrowd(w, names...)
	}
}

// someTerms are those of one attempt in a crowd.
func someTerms(name string) driver.Terms {
	switch {
	case name == sharedName && rand.IntN(3) > 0:
		return shared
	case name == permitsName:
		return permits(3)
	default:
		return driver.Terms{}
	}
}

func runCrowd(w *world, names ...string) {
	const conns, perConn = 3, 3
	c := newCrowd(w, names...)
	var wg sync.WaitGroup
	for range conns {
		conn := w.connect()
		for range perConn {
			wg.Go(func() { c.run(conn) })
		}
	}
	wg.Wait()
	c.settle()
	c.checkOrder()
}

func triesOnly(w *world) {
	const actors, rounds = 6, 25
	c := newCrowd(w, "a")
	var wg sync.WaitGroup
	for range actors {
		conn := w.connect()
		wg.Go(func() {
			a := &actor{crowd: c, conn: conn}
			a.join()
			for range rounds {
				a.try("a")
			}
		})
	}
	wg.Wait()
	c.settle()
}

// crowd is what the actors share.
type crowd struct {
	*world
	names []string
	watch *witness
	mu    sync.Mutex // guards waits
	waits []wait
}

// wait is one attempt that was queued, as it ended.
type wait struct {
	driver.Attempt
	ahead []driver.Waiter // in the queue before it, when it joined
	fence uint64          // 0: cancelled, or died
}

func newCrowd(w *world, names ...string) *crowd {
	return &crowd{world: w, names: names, watch: newWitness(w.T)}
}

// actor is one client in its own goroutine.
type actor struct {
	*crowd
	conn  driver.Conn
	lease driver.ID
}

func (c *crowd) run(conn driver.Conn) {
	const rounds, budget = 20, 4 * time.Second // whichever ends first
	a := &actor{crowd: c, conn: conn}
	a.join()
	start := time.Now()
	for range rounds {
		// What follows from a failure says nothing new.
		if a.Failed() || time.Since(start) > budget {
			return
		}
		name := c.names[rand.IntN(len(c.names))]
		if rand.IntN(4) == 0 {
			a.try(name)
		} else {
			a.wait(name)
		}
	}
}

// call repeats a call that failed for a reason that repeating may cure.
func (c *crowd) call(what string, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	for {
		err := f(ctx)
		switch {
		case err == nil, errors.Is(err, driver.ErrLeaseGone), errors.Is(err, driver.ErrNotHeld):
			return err
		case ctx.Err() != nil, driver.IsPermanent(err):
			c.Errorf("%s: %v", what, err)
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// join makes a new lease for the actor.
func (a *actor) join() {
	a.lease = driver.NewID()
	_ = a.call("CreateLease", func(ctx context.Context) error {
		_, err := a.conn.CreateLease(ctx, driver.Lease{ID: a.lease, TTL: time.Minute})
		return err
	})
}

// die ends the actor's lease, with whatever it holds or awaits, and makes
// another: the others must find out.
func (a *actor) die() {
	_ = a.call("EndLease", func(ctx context.Context) error {
		_, err := a.conn.EndLease(ctx, a.lease, driver.Grounds{Own: true})
		return err
	})
	a.join()
}

// acquire calls Acquire, now and then twice, as after a lost reply.
func (a *actor) acquire(at driver.Attempt, wait bool) (reply driver.Reply, err error) {
	for range 1 + rand.IntN(2) {
		err = a.call("Acquire", func(ctx context.Context) error {
			r, err := acquire(ctx, a.conn, at, wait)
			if err == nil {
				reply = r
			}
			return err
		})
	}
	return reply, err
}

func (a *actor) try(name string) {
	at := driver.Attempt{Name: name, Lease: a.lease, Ticket: driver.NewID(), Terms: someTerms(name)}
	reply, err := a.acquire(at, false)
	if err != nil {
		return
	}
	if grant, ok := reply.Lock.GrantOf(at.Place()); ok {
		a.hold(at, grant.Fence)
	} else if got := releaseUntilKnown(a.T, a.conn, at); got != driver.Absent {
		a.Errorf("a try that failed left something: release says %s", outcome(got))
	}
}

func (a *actor) wait(name string) {
	at := driver.Attempt{Name: name, Lease: a.lease, Ticket: driver.NewID(), Terms: someTerms(name)}
	reply, err := a.acquire(at, true)
	if err != nil {
		return
	}
	w := wait{Attempt: at}
	if i := reply.Lock.Ahead(at.Place()); i >= 0 {
		w.ahead = reply.Lock.Queue[:i]
	}
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.waits = append(a.waits, w)
	}()
	switch rand.IntN(8) {
	case 0: // gives up, perhaps after the grant
		releaseUntilKnown(a.T, a.conn, at)
	case 1:
		a.die()
	default:
		if w.fence = a.awaitGrant(at, reply.Lock); w.fence != 0 {
			a.hold(at, w.fence)
		}
	}
}

// awaitGrant polls the row until the attempt holds, and clears dead clients
// out of the way. It returns 0 when the attempt was lost.
func (a *actor) awaitGrant(at driver.Attempt, lock driver.Lock) uint64 {
	for start := time.Now(); time.Since(start) < patience && !a.Failed(); {
		if grant, ok := lock.GrantOf(at.Place()); ok {
			return grant.Fence
		}
		if lock.Ahead(at.Place()) < 0 {
			a.Errorf("lost waiter: %v is not in %+v", at.Place(), lock)
			return 0
		}
		time.Sleep(time.Millisecond)
		lock = a.look(at.Name)
	}
	if !a.Failed() {
		a.Errorf("waited %v for %q in vain: %+v", patience, at.Name, lock)
	}
	releaseUntilKnown(a.T, a.conn, at)
	return 0
}

// look reads the row of name, and takes over from those that are gone.
func (a *actor) look(name string) driver.Lock {
	lock := driver.Lock{Name: name}
	var gone []driver.ID
	_ = a.call("Read", func(ctx context.Context) error {
		view, err := a.conn.Read(ctx, driver.Query{Names: []string{name}})
		if err == nil && len(view.Locks) == 1 {
			lock, gone = view.Locks[0], goneOf(view, view.Locks[0])
		}
		return err
	})
	if len(gone) > 0 {
		_ = a.call("TakeOver", func(ctx context.Context) error {
			return a.conn.TakeOver(ctx, name, gone, 0)
		})
	}
	return lock
}

// goneOf returns the leases that a row names and its view lacks.
func goneOf(view driver.View, lock driver.Lock) []driver.ID {
	var gone []driver.ID
	for p := range lock.Places() {
		if _, lives := view.Leases[p.Lease]; !lives && !p.Lease.IsZero() {
			gone = append(gone, p.Lease)
		}
	}
	return gone
}

// hold holds for a moment, and ends it in one of the ways there are.
func (a *actor) hold(at driver.Attempt, fence uint64) {
	a.watch.enter(at.Name, at.Terms, fence)
	if rand.IntN(2) == 0 {
		time.Sleep(rand.N(time.Millisecond))
	}
	a.watch.leave(at.Name, at.Terms)
	switch rand.IntN(8) {
	case 0:
		a.die()
	case 1:
		a.endByRevocation(at, fence)
	default:
		if got := releaseUntilKnown(a.T, a.conn, at); got == driver.Cancelled {
			a.Errorf("release of a holder of %q: outcome Cancelled", at.Name)
		}
	}
}

func (a *actor) endByRevocation(at driver.Attempt, fence uint64) {
	err := a.call("Revoke", func(ctx context.Context) error {
		return a.conn.Revoke(ctx, at.Name, fence, driver.Mark{By: "actor"})
	})
	if err != nil {
		a.Errorf("Revoke(%q, %d) of the grant in force: %v", at.Name, fence, err)
	}
	_ = a.call("TakeOver", func(ctx context.Context) error {
		return a.conn.TakeOver(ctx, at.Name, nil, fence)
	})
	releaseUntilKnown(a.T, a.conn, at)
}

// settle checks that, the dead once removed, nobody holds and nobody waits.
func (c *crowd) settle() {
	c.Helper()
	a := &actor{crowd: c, conn: c.reader}
	for _, name := range c.names {
		a.look(name)
		if row := c.row(name); row.Held() || len(row.Queue) > 0 {
			c.Errorf("ghost: %+v", row)
		}
		if c.watch.grants(name) == 0 {
			c.Errorf("%q was never granted", name)
		}
	}
}

// checkOrder checks first come, first served: of two that waited to the end,
// the one that stood ahead has the smaller fence.
func (c *crowd) checkOrder() {
	c.Helper()
	fences := map[string]uint64{}
	key := func(name string, p driver.Place) string { return fmt.Sprint(name, p) }
	for _, w := range c.waits {
		fences[key(w.Name, w.Place())] = w.fence
	}
	judged := 0
	for _, w := range c.waits {
		for _, before := range w.ahead {
			first := fences[key(w.Name, before.Place)]
			if first == 0 || w.fence == 0 {
				continue
			}
			judged++
			if first > w.fence {
				c.Errorf("%q: fence %d overtook fence %d, which stood ahead", w.Name, w.fence, first)
			}
		}
	}
	if judged == 0 {
		c.Error("no two attempts ever waited behind each other")
	}
}
