package leasehold_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestFixedTTL(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		const d = 5 * time.Minute // longer than the cap
		client := open(t, store, leasehold.Config{})
		renewals := count(store)
		start := time.Now()
		lock := acquireWith(t, client, "x", leasehold.FixedTTL(d))
		if left := time.Until(lock.Deadline()); left != d-d/200 {
			t.Errorf("%v of trust", left)
		}
		time.Sleep(2 * time.Minute)
		if n := renewals.of("RenewLease"); n != 1 {
			t.Errorf("%d renewals", n)
		}
		if lock.Overdue() {
			t.Error("overdue, though nobody renews")
		}
		if err := lock.Extend(t.Context()); err != nil {
			t.Fatal(err)
		}
		took, cause := lossAt(lock, start)
		if took != 2*time.Minute+d-d/200 {
			t.Errorf("lost after %v", took)
		}
		wantCause(t, cause, leasehold.ErrExpired, leasehold.ErrLost)
		wantCause(t, lock.Extend(t.Context()), leasehold.ErrLost)
		wantCause(t, lock.Close(), leasehold.ErrLost)
		plain := acquire(t, client, "x") // with the last lock of it, the lease went
		if time.Since(start) > took+ttl/3 {
			t.Errorf("free after %v", time.Since(start))
		}
		wantCause(t, plain.Extend(t.Context()), leasehold.ErrInvalid)
		plain.Close()
		wantCause(t, acquireAndClose(t, client).Extend(t.Context()), leasehold.ErrNotHeld, leasehold.ErrReleased)
	})
}

func acquireAndClose(t *testing.T, client *leasehold.Client) *leasehold.Lock {
	lock := acquireWith(t, client, "x", leasehold.FixedTTL(time.Second))
	lock.Close()
	return lock
}

// It is kept alive while it waits, its turn is noticed soon, and it has the whole of its
// TTL from there.
func TestFixedTTLWaits(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		client := open(t, store, leasehold.Config{})
		acquire(t, client, "other") // so that it listens, if not for this one
		got := waitWith(t, client, leasehold.FixedTTL(ttl))
		time.Sleep(10*ttl + time.Second) // and no look is due for another reason
		start := time.Now()
		held.Close()
		lock := <-got
		if d := time.Since(start); d > 150*time.Millisecond {
			t.Errorf("noticed after %v", d)
		}
		if left := time.Until(lock.Deadline()); left != trust {
			t.Errorf("%v of trust", left)
		}
		n := count(store)
		time.Sleep(time.Second)
		lock.Close()
		synctest.Wait()
		if n.of("RenewLease") != 0 || n.of("Release") != 1 || n.of("EndLease") != 1 {
			t.Errorf("calls: %v", n.n)
		}
		free(t, client, "x")
	})
}

func TestFixedTTLOfADeadHolder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		start := time.Now()
		vanish(acquireWith(t, open(t, store, leasehold.Config{}), "x", leasehold.FixedTTL(5*time.Minute)))
		acquire(t, open(t, store, leasehold.Config{}), "x").Close()
		if d := time.Since(start); d < 5*time.Minute || d > 6*time.Minute {
			t.Errorf("granted after %v", d)
		}
	})
}

// Extend rides out an outage, and ends with its context or the lock.
func TestExtendThroughAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquireWith(t, client, "x", leasehold.FixedTTL(time.Minute))
		store.Down(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCause(t, lock.Extend(ctx), leasehold.ErrOutcomeUnknown, context.DeadlineExceeded)
		done := make(chan error)
		go func() { done <- lock.Extend(t.Context()) }()
		time.Sleep(30 * time.Second)
		store.Down(false)
		if err := <-done; err != nil || time.Until(lock.Deadline()) < 50*time.Second {
			t.Errorf("%v, %v left", err, time.Until(lock.Deadline()))
		}
		store.Down(true)
		wantCause(t, lock.Extend(t.Context()), leasehold.ErrExpired)
		store.Down(false)
		lock.Close()
	})
}

func TestFixedLeasesEndWithTheClient(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		other, client := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		held := acquire(t, other, "y")
		lock := acquireWith(t, client, "x", leasehold.FixedTTL(time.Hour))
		wait := make(chan error)
		go func() {
			_, err := client.Acquire(t.Context(), "y", leasehold.FixedTTL(time.Hour))
			wait <- err
		}()
		synctest.Wait()
		start := time.Now()
		if err := client.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		wantCause(t, <-wait, leasehold.ErrClosed)
		wantCause(t, context.Cause(lock.Context()), leasehold.ErrClosed)
		held.Close()
		free(t, other, "x")
		free(t, other, "y")
	})
}

// The lease of a wait that was given up goes, however long the store keeps it from being
// deleted: no lock names it, so nobody else would look for it.
func TestLeaseIsDeletedAfterALongOutage(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		client := open(t, store, leasehold.Config{})
		var deaf atomic.Bool
		var ended atomic.Int64
		deaf.Store(true)
		store.Intercept(func(_ context.Context, call memory.Call) error {
			switch {
			case call.Op == "EndLease" && !call.Done && deaf.Load():
				return errReplyLost
			case call.Op == "EndLease" && call.Done:
				ended.Add(1)
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Acquire(ctx, "x", leasehold.FixedTTL(ttl)); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("error %v", err)
		}
		time.Sleep(10 * ttl)
		deaf.Store(false)
		time.Sleep(ttl)
		if n := ended.Load(); n != 1 {
			t.Errorf("%d leases were deleted", n)
		}
		held.Close()
	})
}
