package mysql

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

func (s *site) begin() *sql.Tx {
	s.Helper()
	tx, err := s.db.BeginTx(context.Background(), nil)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

// later checks that a lock does not arrive before end is called, and does then.
func (s *site) later(what string, got <-chan *leasehold.Lock, end func()) *leasehold.Lock {
	s.Helper()
	select {
	case <-got:
		s.Fatalf("%s: granted under a guard", what)
	case <-time.After(100 * time.Millisecond):
	}
	end()
	return s.within(prompt, what, got)
}

// Nobody is granted a lock under the guard of its last holder, released or not, neither in
// the same process nor in another. Guards of one holder do not disturb each other.
func TestSessionGuardKeepsOthersOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	store := OpenSession(serverURL(t), s.cfg)
	a, beside, b := s.clientOf(store, testTTL), s.clientOf(store, testTTL), s.client()
	for what, next := range map[string]*leasehold.Client{"in the process": beside, "in another": b} {
		lock := s.acquire(a, "x")
		tx, second := s.begin(), s.begin()
		for _, tx := range []*sql.Tx{tx, second} {
			if err := Guard(t.Context(), tx, lock); err != nil {
				t.Fatal(err)
			}
		}
		got := s.waits(next, "x")
		s.release(lock)
		late := s.begin()
		if err := Guard(t.Context(), late, lock); !errors.Is(err, leasehold.ErrNotHeld) {
			t.Errorf("guard of a lock that was released: %v", err)
		}
		_ = late.Rollback()
		s.release(s.acquire(b, "y")) // nothing else is held up
		_ = second.Commit()
		s.release(s.later(what, got, func() { _ = tx.Commit() }))
	}
	s.free("x", "y")
}

// The session ends under a guarded transaction: it may commit, and nobody is granted the
// lock before it does. A guard that comes after the end fails.
func TestSessionGuardOutlivesTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.client(), s.client()
	lock := s.acquire(a, "x")
	tx := s.begin()
	if err := Guard(t.Context(), tx, lock); err != nil {
		t.Fatal(err)
	}
	late := s.begin()
	got := s.waits(b, "x")
	execSQL(t, s.db, "KILL "+number(s.user("x")))
	<-lock.Context().Done()
	if err := Guard(t.Context(), late, lock); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard after the session: %v", err)
	}
	_ = late.Rollback()
	s.release(s.later("after the guard", got, func() {
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}))
	_ = lock.Close() // it was lost
}

// Revoked: not held.
func TestSessionGuardRefusesTheRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	store := OpenSession(serverURL(t), s.cfg)
	a, operator := s.clientOf(store, testTTL), s.clientOf(store, testTTL)
	lock := s.acquire(a, "x")
	if err := operator.Revoke(t.Context(), "x", lock.Fence(), "a test"); err != nil {
		t.Fatal(err)
	}
	if err := Guard(t.Context(), s.begin(), lock); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard of a revoked lock: %v", err)
	}
}

// Sessions are killed all the time, while holders count. What was guarded and committed is
// counted exactly, though two may believe at once.
func TestHazard25_SessionGuardedCounterIsExact(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	counter := s.cfg.Database + ".counter"
	execSQL(t, s.db, "CREATE TABLE "+counter+" AS SELECT 0 AS n")
	count := func(lock *leasehold.Lock) error {
		tx, err := s.db.BeginTx(t.Context(), nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := Guard(t.Context(), tx, lock); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(t.Context(), "SELECT n FROM "+counter).Scan(&n); err != nil {
			return err
		}
		time.Sleep(rand.N(3 * time.Millisecond)) // others may come in between
		if _, err := tx.ExecContext(t.Context(), "UPDATE "+counter+" SET n = ?", n+1); err != nil {
			return err
		}
		return tx.Commit()
	}
	stop := time.Now().Add(3 * time.Second)
	var counted, refused atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		store := OpenSession(serverURL(t), s.cfg)
		for range 2 {
			c := s.clientOf(store, testTTL)
			wg.Go(func() {
				for time.Now().Before(stop) {
					lock := s.acquire(c, "x")
					if err := count(lock); err == nil {
						counted.Add(1)
					} else { // not held, or the session's end cut the guard off
						refused.Add(1)
					}
					_ = lock.Close()
				}
			})
		}
	}
	wg.Go(func() {
		for time.Now().Before(stop) {
			if id := s.user("x"); id != 0 {
				_, _ = s.db.ExecContext(t.Context(), "KILL "+number(id)) // it may have ended
			}
			time.Sleep(rand.N(150 * time.Millisecond)) // the moment is what varies
		}
	})
	wg.Wait()
	t.Logf("%d counted, %d refused", counted.Load(), refused.Load())
	if n := value[int64](t, s.db, "SELECT n FROM "+counter); n != counted.Load() || n == 0 {
		t.Errorf("counted %d times, the counter says %d", counted.Load(), n)
	}
}
