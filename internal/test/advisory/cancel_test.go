package advisory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// A wait that is cancelled leaves the session, and what it holds, as they were.
func TestHazard34_AdvisoryCancelledWaitDropsNothing(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key, db := t.Context(), newKey(), open(t, driver)
		l, reader := newLock(t, db, key), newOther(t, key)
		must(t, l.RLock(ctx))
		reader.say("pg_advisory_lock_shared")
		for range 5 {
			wait, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			if err := l.Lock(wait); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Lock beside a reader: %v", err)
			}
			cancel()
		}
		reader.say("pg_advisory_unlock_shared")
		ok, err := l.TryRLock(ctx)
		yes(t, "the session goes on", ok, err)
		must(t, l.RUnlock(ctx))
		if reader.free() {
			t.Error("the hold from before the wait is gone")
		}
		must(t, l.RUnlock(ctx))
		if !reader.free() {
			t.Error("something is left of the waits")
		}
	})
}

// The lock becomes free at the moment at which the wait for it is cancelled. Whatever Lock says is true.
func TestHazard36_AdvisoryGrantAndCancellationAtOnce(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		l, o := newLock(t, db, key), newOther(t, key)
		granted := 0
		for i := range 30 {
			o.say("pg_advisory_lock")
			ctx, cancel := context.WithCancel(t.Context())
			waited := make(chan error, 1)
			go func() { waited <- l.Lock(ctx) }()
			await(t, "it waits", func() bool { return locks(t, db, key, false) == 1 })
			time.AfterFunc(time.Duration(i%6)*200*time.Microsecond, cancel)
			o.say("pg_advisory_unlock")
			switch err := <-waited; {
			case err == nil:
				granted++
				if o.free() {
					t.Fatal("Lock has returned nil, and the lock is free")
				}
				must(t, l.Unlock(t.Context()))
			case !errors.Is(err, context.Canceled):
				t.Fatal(err)
			}
			await(t, "nothing is left", o.free)
			cancel()
		}
		t.Logf("%d of 30 were granted", granted)
	})
}

// Without a second connection the server cannot be told that a wait is given up. The caller does not wait for it, and when
// the wait is granted it is given back.
func TestFix_CancelledWaitInAPoolOfOne(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		db.SetMaxOpenConns(1)
		l, o := newLock(t, db, key), newOther(t, key)
		o.say("pg_advisory_lock")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := l.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock: %v", err)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("the caller waited for %v", took)
		}
		o.say("pg_advisory_unlock")
		ok, err := l.TryLock(t.Context()) // its turn comes when the wait has been given back
		yes(t, "TryLock", ok, err)
		must(t, l.Unlock(t.Context()))
		if !o.free() {
			t.Error("the wait that was given up holds the lock")
		}
	})
}

// No error has a statement or a password in it.
func TestHazard42_AdvisoryErrorsKeepSecrets(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		_, nowhere := pglock.New(t.Context(), 1, openURL(t, driver, "postgres://somebody:secret-word@127.0.0.1:1/nowhere"))
		key := newKey()
		l := newLock(t, open(t, driver), key)
		must(t, l.Lock(t.Context()))
		terminate(t, key)
		await(t, "the session has ended", func() bool { return newOther(t, key).free() })
		for _, err := range []error{nowhere, l.Unlock(t.Context()), l.Err()} {
			if err == nil || strings.Contains(err.Error(), "secret-word") || strings.Contains(err.Error(), "SELECT") {
				t.Errorf("the error: %v", err)
			}
		}
	})
}

// A context that ends during Unlock does not keep the lock.
func TestFix_CancelledUnlockUnlocks(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		l, o := newLock(t, db, key), newOther(t, key)
		for range 20 {
			must(t, l.Lock(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if err := l.Unlock(ctx); err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				must(t, l.Unlock(t.Context())) // if it had not begun; else nothing
			}
			if !o.free() {
				t.Fatal("the lock is held")
			}
		}
	})
}
