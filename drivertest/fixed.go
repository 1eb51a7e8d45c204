package drivertest

import (
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testFixed(t *testing.T, h Harness) {
	if h.Lacks.Fixed {
		cases{{"Unsupported", fixedUnsupported}}.parallel(t, h)
		return
	}
	cases{
		{"AboveTheCap", fixedAboveCap},
		{"OnlyTimeTells", fixedOnlyTime},
		{"Observed", fixedObserved},
		{"Overdue", fixedOverdue},
		{"Dead", fixedDead},
	}.parallel(t, h)
}

func fixedUnsupported(w *world) {
	lease := driver.Lease{ID: driver.NewID(), TTL: time.Second, Fixed: true}
	if _, err := w.connect().CreateLease(w.ctx(), lease); !errors.Is(err, driver.ErrUnsupported) || !driver.IsPermanent(err) {
		w.Errorf("CreateLease: %v, want a permanent ErrUnsupported", err)
	}
}

// fixed makes a client whose lease is not renewed by itself, holding "a".
func (w *world) fixed(ttl time.Duration) *client {
	w.Helper()
	c := &client{world: w, conn: w.connect(), lease: driver.Lease{
		ID: driver.NewID(), TTL: ttl, Owner: "owner", Info: driver.Info{Host: "host", PID: 7, App: "app"}, Fixed: true,
	}}
	if _, err := c.conn.CreateLease(w.ctx(), c.lease); err != nil {
		w.Fatalf("CreateLease of a fixed lease: %v", err)
	}
	c.hold("a")
	return c
}

func fixedAboveCap(w *world) {
	c := w.fixed(w.h.MaxTTL + 24*time.Hour)
	if s, ok := w.state("a", c); !ok || s.Lease != c.lease {
		w.Errorf("read as %+v, want %+v", s.Lease, c.lease)
	}
	c.renew()
}

// fixedOnlyTime: a store with knowledge of its own has none of a fixed lease whose client
// lives, and a renewal raises the beat for everybody to see.
func fixedOnlyTime(w *world) {
	c := w.fixed(time.Minute)
	before, ok := w.state("a", c)
	if !ok || before.Liveness != driver.Unknown {
		w.Errorf("liveness %v, want Unknown", before.Liveness)
	}
	await(w.T, "the age of a lease grows", func() bool {
		state, _ := w.state("a", c)
		return state.Age >= 100*time.Millisecond
	})
	c.renew()
	if after, _ := w.state("a", c); after.Beat <= before.Beat || after.Age > 5*time.Second {
		w.Errorf("beat %d after %d, age %v", after.Beat, before.Beat, after.Age)
	}
	w.client().endLease(c.lease.ID, driver.Grounds{Dead: true}, false)
}

func fixedObserved(w *world) {
	c, observer := w.fixed(time.Minute), w.client()
	before, _ := w.state("a", c)
	c.renew()
	observer.endLease(c.lease.ID, driver.Grounds{Observed: before.Beat}, false)
	after, _ := w.state("a", c)
	observer.endLease(c.lease.ID, driver.Grounds{Observed: after.Beat}, true)
	if _, err := c.conn.RenewLease(w.ctx(), c.lease.ID); !errors.Is(err, driver.ErrLeaseGone) {
		w.Errorf("renewing an ended lease: %v, want ErrLeaseGone", err)
	}
}

func fixedOverdue(w *world) {
	const ttl, tolerance = 300 * time.Millisecond, 200 * time.Millisecond
	c, observer := w.fixed(ttl), w.client()
	due := w.postpone(c, time.Now()).Add(ttl + tolerance)
	grounds := driver.Grounds{Overdue: tolerance}
	await(w.T, "an overdue lease is ended though its client lives", func() bool {
		gone, err := observer.conn.EndLease(w.ctx(), c.lease.ID, grounds)
		return err == nil && gone
	})
	w.notBefore(due)
}

// fixedDead: where the store knows that a client is gone, its fixed leases end at once.
func fixedDead(w *world) {
	if !w.h.Liveness {
		return
	}
	c, observer := w.fixed(long), w.client()
	w.h.Vanish(c.conn)
	await(w.T, "a fixed lease of a dead client is known to be dead", func() bool {
		state, _ := w.state("a", c)
		return state.Liveness == driver.Dead
	})
	observer.endLease(c.lease.ID, driver.Grounds{Dead: true}, true)
}
