package advisory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// Close gives back all holds before it returns: another session sees it at once, the same pool does not
// re-enter them, and the connection that goes back to the pool carries none.
func TestHazard33_AdvisoryCloseFrees(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key, db := t.Context(), newKey(), open(t, driver)
		l, o := newLock(t, db, key), newOther(t, key)
		for range 3 {
			must(t, l.Lock(ctx))
			must(t, l.RLock(ctx))
		}
		must(t, l.Close())
		if !o.free() {
			t.Error("Close has returned, and another session does not get the lock")
		}
		if stats := db.Stats(); stats.InUse != 0 || stats.OpenConnections == 0 {
			t.Errorf("%d connections of the pool are in use and %d open", stats.InUse, stats.OpenConnections)
		}
		o.say("pg_advisory_lock")
		again := newLock(t, db, key)
		if ok, err := again.TryRLock(ctx); ok || err != nil {
			t.Errorf("the same pool enters what another session holds: %v, %v", ok, err)
		}
	})
}

// What else the session holds, which is the pool's, stays.
func TestFix_CloseGivesBackItsOwnHoldsOnly(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key, db := t.Context(), newKey(), open(t, driver)
		db.SetMaxOpenConns(1)
		value[string](t, db, `SELECT pg_advisory_lock($1)::text`, key+1)
		l := newLock(t, db, key)
		must(t, l.Lock(ctx))
		must(t, l.Close())
		if locks(t, db, key, true) != 0 || locks(t, db, key+1, true) != 1 {
			t.Error("not only the Lock's own hold was given back")
		}
	})
}

func TestFix_CloseEndsAWaitInProgress(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key, db := t.Context(), newKey(), open(t, driver)
		l, o := newLock(t, db, key), newOther(t, key)
		must(t, l.RLock(ctx))
		o.say("pg_advisory_lock_shared")
		waited := make(chan error, 1)
		go func() { waited <- l.Lock(ctx) }() // waits for the other reader
		await(t, "it waits", func() bool { return locks(t, db, key, false) == 1 })
		start := time.Now()
		must(t, l.Close())
		if took := time.Since(start); took > patience {
			t.Errorf("Close took %v", took)
		}
		if err := <-waited; !errors.Is(err, pglock.ErrClosed) {
			t.Errorf("the wait ended with %v", err)
		}
		if o.say("pg_advisory_unlock_shared"); !o.free() || locks(t, db, key, false) != 0 {
			t.Error("something is left")
		}
		if err := l.Lock(ctx); !errors.Is(err, pglock.ErrClosed) {
			t.Errorf("Lock after Close: %v", err)
		}
		must(t, l.Close())
	})
}
