package advisory_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
	"github.com/leaseholdgo/leasehold/internal/test/silence"
)

// terminate ends the session that holds or awaits a key.
func terminate(t *testing.T, key int64) {
	t.Helper()
	value[bool](t, open(t, "postgres"), `SELECT bool_and(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = $1`, key)
}

func TestHazard03_AdvisoryHolderIsToldOfItsEnd(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key := newKey()
		l := newLock(t, open(t, driver), key)
		must(t, l.Lock(t.Context()))
		done := l.Done()
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		terminate(t, key)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("the holder was not told")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the holder was told after %v", took)
		}
		lost(t, l)
	})
}

// lost expects a Lock that says of itself that it is lost, and can be closed.
func lost(t *testing.T, l *pglock.Lock) {
	t.Helper()
	ctx := context.Background()
	_, try := l.TryRLock(ctx)
	for call, err := range map[string]error{
		"Err": l.Err(), "Lock": l.Lock(ctx), "TryRLock": try, "Unlock": l.Unlock(ctx), "RUnlock": l.RUnlock(ctx),
	} {
		if !errors.Is(err, pglock.ErrLost) {
			t.Errorf("%s: %v", call, err)
		}
	}
	must(t, l.Close())
}

// A call tells as well, without Done.
func TestFix_TheNextCallTellsOfTheEnd(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key := newKey()
		l := newLock(t, open(t, driver), key)
		must(t, l.Lock(t.Context()))
		terminate(t, key)
		await(t, "the session has ended", func() bool { return newOther(t, key).free() })
		if err := l.Unlock(t.Context()); !errors.Is(err, pglock.ErrLost) {
			t.Errorf("Unlock: %v", err)
		}
		lost(t, l)
	})
}

// A wait ends when its session does.
func TestFix_AWaitEndsWithItsSession(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		l, o := newLock(t, db, key), newOther(t, key)
		o.say("pg_advisory_lock")
		waited := make(chan error, 1)
		go func() { waited <- l.Lock(context.Background()) }()
		await(t, "it waits", func() bool { return locks(t, db, key, false) == 1 })
		value[bool](t, open(t, "postgres"), `SELECT bool_and(pg_terminate_backend(pid)) FROM pg_locks
			WHERE locktype = 'advisory' AND NOT granted AND (classid::bigint << 32 | objid::bigint) = $1`, key)
		if err := <-waited; !errors.Is(err, pglock.ErrLost) {
			t.Errorf("the wait ended with %v", err)
		}
		lost(t, l)
	})
}

func silentProxy(t *testing.T) *silence.Proxy {
	t.Helper()
	u, err := url.Parse(serverURL(t))
	must(t, err)
	return silence.New(t, u.Host)
}

// The network falls silent: the holder is told within the bound of the package documentation.
func TestHazard01_AdvisoryBlackHole(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, p := newKey(), silentProxy(t)
		l := newLock(t, openAt(t, driver, p.Address()), key)
		must(t, l.Lock(t.Context()))
		done := l.Done()
		start := time.Now()
		p.Fall()
		select {
		case <-done:
		case <-time.After(35 * time.Second):
			t.Fatal("the holder was not told")
		}
		t.Logf("the holder was told after %v", time.Since(start))
		lost(t, l)
	})
}

// Every call returns when its context ends, and Close within its bound, though the network is silent.
func TestHazard21_AdvisoryCloseInABlackHole(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, p := newKey(), silentProxy(t)
		l := newLock(t, openAt(t, driver, p.Address()), key)
		must(t, l.Lock(t.Context()))
		p.Fall()
		for range 2 { // the first is stuck on the connection, the second waits for its turn
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			if err := l.Unlock(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
				t.Errorf("Unlock returned %v after %v", err, time.Since(start))
			}
			cancel()
		}
		start := time.Now()
		if err := l.Close(); err == nil {
			t.Error("Close says that it was given back")
		}
		if took := time.Since(start); took > patience {
			t.Errorf("Close took %v", took)
		}
	})
}
