package drivertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testInterrupt(t *testing.T, h Harness) {
	cases{
		{"ContextAlreadyEnded", contextAlreadyEnded},
		{"Hazard09_InterruptedAcquireLeavesNothing", interruptedAcquire},
		{"Hazard09_InterruptedWaitLeavesNothing", interruptedWait},
		{"InterruptedRelease", interruptedRelease},
		{"Hazard10_InterruptedRenewal", interruptedRenewal},
	}.parallel(t, h)
}

func contextAlreadyEnded(w *world) {
	c := w.client()
	a, fence := c.hold("a")
	ctx, cancel := context.WithCancel(w.Context())
	cancel()
	calls := map[string]func() error{
		"CreateLease": func() error { _, err := c.conn.CreateLease(ctx, c.lease); return err },
		"RenewLease":  func() error { _, err := c.conn.RenewLease(ctx, c.lease.ID); return err },
		"EndLease": func() error {
			_, err := c.conn.EndLease(ctx, driver.NewID(), driver.Grounds{Own: true})
			return err
		},
		"Acquire":  func() error { _, err := c.conn.Acquire(ctx, a, true); return err },
		"Release":  func() error { _, err := c.conn.Release(ctx, c.attempt("a")); return err },
		"TakeOver": func() error { return c.conn.TakeOver(ctx, "a", nil, 0) },
		"Revoke":   func() error { return c.conn.Revoke(ctx, "a", fence+1, driver.Mark{}) },
		"Read":     func() error { _, err := c.conn.Read(ctx, driver.Query{Limit: 1}); return err },
		"Connect": func() error {
			conn, err := w.store.Connect(ctx, driver.Settings{TTL: w.h.TTL})
			if err == nil {
				_ = conn.Close()
			}
			return err
		},
	}
	for name, call := range calls {
		switch err := call(); {
		case err == nil:
			w.Errorf("%s succeeded though its context had ended", name)
		case driver.IsPermanent(err):
			w.Errorf("%s calls an ended context permanent: %v", name, err)
		case errors.Is(err, driver.ErrNotHeld), errors.Is(err, driver.ErrLeaseGone):
			w.Errorf("%s knows, though its context had ended: %v", name, err)
		}
	}
	c.renew() // the Conn is none the worse
	w.wantRow("a", a)
	c.release(a, driver.Released)
}

// interrupted returns a context that ends while a call is likely to be in
// progress.
func interrupted(w *world) (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.Context(), rand.N(2*time.Millisecond))
}

const interruptions = 40

// interruptedAcquire: whatever became of the call, one Release that returns nil
// is the end of the attempt, for good.
func interruptedAcquire(w *world) {
	c := w.client()
	for range interruptions {
		a := c.attempt("a")
		ctx, cancel := interrupted(w)
		_, _ = c.conn.Acquire(ctx, a, true) // any outcome, known or unknown
		cancel()
		releaseUntilKnown(w.T, c.conn, a)
		b, _ := c.hold("a") // nothing came after
		c.release(b, driver.Released)
	}
	w.wantStill("a", nobody)
}

// wantStill checks the row again and again for a while: what must not happen
// cannot be awaited.
func (w *world) wantStill(name string, holder driver.Attempt) {
	w.Helper()
	for range 10 {
		w.wantRow(name, holder)
		time.Sleep(2 * time.Millisecond)
	}
}

func interruptedWait(w *world) {
	holder, c := w.client(), w.client()
	held, _ := holder.hold("a")
	for range interruptions {
		a := c.attempt("a")
		ctx, cancel := interrupted(w)
		_, _ = c.conn.Acquire(ctx, a, true) // any outcome, known or unknown
		cancel()
		releaseUntilKnown(w.T, c.conn, a)
		w.wantRow("a", held)
	}
	w.wantStill("a", held)
	holder.release(held, driver.Released)
	w.wantRow("a", nobody)
}

func interruptedRelease(w *world) {
	c, waiter := w.client(), w.client()
	for range interruptions {
		a, _ := c.hold("a")
		b := waiter.queue("a")
		ctx, cancel := interrupted(w)
		_, _ = c.conn.Release(ctx, a) // any outcome, known or unknown
		cancel()
		releaseUntilKnown(w.T, c.conn, a)
		w.wantRow("a", b)
		waiter.release(b, driver.Released)
	}
}

func interruptedRenewal(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	for range interruptions {
		ctx, cancel := interrupted(w)
		_, err := c.conn.RenewLease(ctx, c.lease.ID)
		cancel()
		if errors.Is(err, driver.ErrLeaseGone) {
			w.Fatal("an interrupted renewal says that the lease is gone")
		}
		before, _ := w.state("a", c)
		w.renewUntilKnown(c)
		if after, _ := w.state("a", c); after.Beat <= before.Beat {
			w.Fatalf("beat %d after %d", after.Beat, before.Beat)
		}
	}
	w.wantRow("a", a)
}

// renewUntilKnown renews as a client does. The renewal that was interrupted may still be
// at work in the store, with the lease's row locked.
func (w *world) renewUntilKnown(c *client) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	for {
		_, err := c.conn.RenewLease(ctx, c.lease.ID)
		if err == nil {
			return
		}
		if ctx.Err() != nil || driver.IsPermanent(err) || errors.Is(err, driver.ErrLeaseGone) {
			w.Fatalf("RenewLease never succeeded: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}
