package drivertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testStarter(t *testing.T, h Harness) {
	cases{
		{"EqualsTheCall", startEquals},
		{"TellsFromAnotherGoroutine", startDoesNotCallBack},
		{"ContextAlreadyEnded", startEnded},
		{"ToldOnceWhenInterrupted", startInterrupted},
	}.parallel(t, h)
}

// acquire is Acquire, made in one of the two ways there may be, by the ticket.
func acquire(ctx context.Context, conn driver.Conn, a driver.Attempt, wait bool) (reply driver.Reply, err error) {
	s, ok := conn.(driver.Starter)
	if !ok || a.Ticket[0]%2 == 0 {
		return conn.Acquire(ctx, a, wait)
	}
	done := make(chan struct{})
	s.StartAcquire(ctx, a, wait, func(r driver.Reply, e error) {
		reply, err = r, e
		close(done) // a second time it panics
	})
	<-done
	return reply, err
}

// release is Release in the same way.
func release(ctx context.Context, conn driver.Conn, a driver.Attempt) (outcome driver.Outcome, err error) {
	s, ok := conn.(driver.Starter)
	if !ok || a.Ticket[1]%2 == 0 {
		return conn.Release(ctx, a)
	}
	done := make(chan struct{})
	s.StartRelease(ctx, a, func(o driver.Outcome, e error) {
		outcome, err = o, e
		close(done)
	})
	<-done
	return outcome, err
}

// started returns an attempt for which acquire and release use the Starter.
func (c *client) started(name string) driver.Attempt {
	a := c.attempt(name)
	a.Ticket[0], a.Ticket[1] = 1, 1
	return a
}

func startEquals(w *world) {
	c := w.client()
	a, b, stranger := c.started("a"), c.started("a"), c.started("a")
	if reply := c.acquire(a, false); !reply.Lock.HeldBy(a.Place()) {
		w.Errorf("a free lock was granted as %+v", reply.Lock)
	}
	if reply := c.acquire(b, true); reply.Lock.Ahead(b.Place()) != 0 {
		w.Errorf("the first in the queue: %+v", reply.Lock)
	}
	stranger.Lease = driver.NewID()
	if _, err := acquire(w.ctx(), c.conn, stranger, true); !errors.Is(err, driver.ErrLeaseGone) {
		w.Errorf("a lease without a row: error %v", err)
	}
	c.release(a, driver.Released)
	c.release(a, driver.Absent)
	w.wantRow("a", b)
	c.release(b, driver.Released)
}

// The caller may have a mutex locked that done locks.
func startDoesNotCallBack(w *world) {
	c := w.client()
	var mu sync.Mutex
	told := make(chan struct{}, 1)
	tell := func() {
		mu.Lock()
		defer mu.Unlock()
		told <- struct{}{}
	}
	s, a, unnamed := c.conn.(driver.Starter), c.started("a"), c.started("")
	for _, start := range []func(){
		func() { s.StartAcquire(w.ctx(), a, true, func(driver.Reply, error) { tell() }) },
		func() { s.StartRelease(w.ctx(), a, func(driver.Outcome, error) { tell() }) },
		func() { s.StartAcquire(w.ctx(), unnamed, true, func(driver.Reply, error) { tell() }) },
	} {
		mu.Lock()
		start()
		mu.Unlock()
		<-told
	}
}

func startEnded(w *world) {
	c := w.client()
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	a := c.started("a")
	if _, err := acquire(ctx, c.conn, a, true); err == nil {
		w.Error("StartAcquire with a context that had ended succeeded")
	}
	if _, err := release(ctx, c.conn, a); err == nil {
		w.Error("StartRelease with a context that had ended succeeded")
	}
}

func startInterrupted(w *world) {
	c := w.client()
	for range interruptions {
		a := c.started("a")
		ctx, cancel := interrupted(w)
		begun := time.Now()
		_, _ = acquire(ctx, c.conn, a, true) // any outcome, known or unknown
		if took := time.Since(begun); took > patience {
			w.Errorf("it was told after %v", took)
		}
		cancel()
		releaseUntilKnown(w.T, c.conn, a)
	}
	last := c.started("a") // perhaps the first for whom there was time
	c.acquire(last, true)
	w.wantRow("a", last)
	c.release(last, driver.Released)
}
