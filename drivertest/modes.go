package drivertest

import (
	"errors"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

var shared = driver.Terms{Mode: driver.Shared}

func permits(limit int) driver.Terms { return driver.Terms{Mode: driver.Permit, Limit: limit} }

func minHold(d time.Duration) driver.Terms { return driver.Terms{MinHold: d} }

func (c *client) attemptAs(name string, terms driver.Terms) driver.Attempt {
	a := c.attempt(name)
	a.Terms = terms
	return a
}

// holdAs makes a new attempt that must be granted at once, and returns it with its
// grant.
func (c *client) holdAs(name string, terms driver.Terms) (driver.Attempt, driver.Grant) {
	c.Helper()
	a := c.attemptAs(name, terms)
	reply := c.acquire(a, false)
	grant, ok := reply.Lock.GrantOf(a.Place())
	if !ok {
		c.Fatalf("Acquire(%q, %+v) was not granted: %+v", name, terms, reply.Lock)
	}
	return a, grant
}

// queueAs makes a new attempt that must wait.
func (c *client) queueAs(name string, terms driver.Terms) driver.Attempt {
	c.Helper()
	a := c.attemptAs(name, terms)
	reply := c.acquire(a, true)
	if reply.Lock.Ahead(a.Place()) < 0 || reply.Lock.HeldBy(a.Place()) {
		c.Fatalf("Acquire(%q, %+v, wait) did not queue: %+v", name, terms, reply.Lock)
	}
	return a
}

// refused makes a try that must leave everything as it is.
func (c *client) refused(name string, terms driver.Terms) {
	c.Helper()
	before := c.row(name)
	a := c.attemptAs(name, terms)
	if reply := c.acquire(a, false); reply.Lock.HeldBy(a.Place()) || reply.Lock.Ahead(a.Place()) >= 0 {
		c.Fatalf("a try of %q on %+v was granted or queued: %+v", name, terms, reply.Lock)
	}
	c.wantSame(before)
}

// disagrees makes attempts on terms that the name's use does not allow; limit is what it
// is used with.
func (c *client) disagrees(name string, terms driver.Terms, limit int) {
	c.Helper()
	before := c.row(name)
	for _, wait := range []bool{false, true} {
		_, err := c.conn.Acquire(c.ctx(), c.attemptAs(name, terms), wait)
		var mode *driver.ModeError
		if !errors.As(err, &mode) || !driver.IsPermanent(err) || mode.Limit != limit {
			c.Fatalf("Acquire(%q, %+v, wait %v): %v, want a permanent ModeError of limit %d", name, terms, wait, err, limit)
		}
	}
	c.wantSame(before)
}

// members are attempts that hold a lock together.
type members []driver.Attempt

// wantMembers checks who shares name, in order and under rising fences, and who waits.
func (w *world) wantMembers(name string, hold members, queue ...driver.Attempt) driver.Lock {
	w.Helper()
	row := w.row(name)
	var want, got []driver.Place
	for _, a := range hold {
		want = append(want, a.Place())
	}
	var last uint64
	for _, g := range row.Members {
		got = append(got, g.Place)
		if g.Fence <= last || g.Fence > row.Fence {
			w.Fatalf("the fences of %q do not rise, or above the row's: %+v", name, row)
		}
		if last = g.Fence; g.Since.IsZero() || g.Age < 0 || g.Age > patience {
			w.Fatalf("a member since %v, age %v", g.Since, g.Age)
		}
	}
	if !slices.Equal(got, want) || row.Holder != (driver.Place{}) {
		w.Fatalf("members of %q: %v, want %v; the row is %+v", name, got, want, row)
	}
	if !slices.Equal(row.Queue, waiters(queue)) {
		w.Fatalf("queue of %q: %v, want %v", name, row.Queue, waiters(queue))
	}
	return row
}

// unsupported checks that a store refuses the terms, and leaves nothing.
func unsupported(terms driver.Terms) func(*world) {
	return func(w *world) {
		c := w.client()
		for _, wait := range []bool{false, true} {
			_, err := c.conn.Acquire(w.ctx(), c.attemptAs("a", terms), wait)
			if !errors.Is(err, driver.ErrUnsupported) || !driver.IsPermanent(err) {
				w.Errorf("Acquire on %+v, wait %v: %v, want a permanent ErrUnsupported", terms, wait, err)
			}
		}
		c.hold("a")
	}
}
