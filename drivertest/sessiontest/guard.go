package sessiontest

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// Begin begins a transaction, rolled back when the test ends unless it has ended by then.
func (s *Site) Begin() *sql.Tx {
	s.Helper()
	tx, err := s.DB.BeginTx(context.Background(), nil)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

// Guarded begins a transaction that guards the lock, which must be held.
func (s *Site) Guarded(lock *leasehold.Lock) *sql.Tx {
	s.Helper()
	tx := s.Begin()
	if err := s.Guard(s.Context(), tx, lock); err != nil {
		s.Fatal(err)
	}
	return tx
}

// notHeld checks that a guard of the lock is refused in the transaction, and ends that.
func (s *Site) notHeld(what string, tx *sql.Tx, lock *leasehold.Lock) {
	s.Helper()
	if err := s.Guard(s.Context(), tx, lock); !errors.Is(err, leasehold.ErrNotHeld) {
		s.Errorf("guard of a lock %s: %v", what, err)
	}
	_ = tx.Rollback()
}

// GuardKeepsOthersOut shows that nobody is granted a lock under the guard of its last
// holder, released or not, neither in the same process nor in another; and that guards of
// one holder do not disturb each other.
func GuardKeepsOthersOut(s *Site) {
	s.Helper()
	store := s.Store()
	a, beside, b := s.ClientOf(store, TTL), s.ClientOf(store, TTL), s.Client()
	modes := [][]leasehold.Option{nil}
	if s.Shared {
		modes = append(modes, []leasehold.Option{leasehold.Shared()})
	}
	for what, next := range map[string]*leasehold.Client{"in the process": beside, "in another": b} {
		for _, opts := range modes {
			lock := s.Acquire(a, "x")
			tx, second := s.Guarded(lock), s.Guarded(lock)
			got := s.Waits(next, "x", opts...)
			s.Release(lock)
			s.notHeld("that was released", s.Begin(), lock)
			s.Release(s.Acquire(b, "y")) // nothing else is held up
			_ = second.Commit()
			s.Release(s.Later(what, got, func() { _ = tx.Commit() }))
		}
	}
	s.Free("x", "y")
}

// GuardOutlivesTheSession ends the session under a guarded transaction: that may commit, and
// nobody is granted the lock before it does. A guard that comes after the end fails.
func GuardOutlivesTheSession(s *Site) {
	s.Helper()
	a, b := s.Client(), s.Client()
	lock := s.Acquire(a, "x")
	tx, late := s.Guarded(lock), s.Begin()
	got := s.Waits(b, "x")
	s.Kill(s.Holder("x"))
	<-lock.Context().Done()
	s.notHeld("whose session has ended", late, lock)
	s.Release(s.Later("after the guard", got, func() {
		if err := tx.Commit(); err != nil {
			s.Error(err)
		}
	}))
	_ = lock.Close() // it was lost
}

// GuardRefusesTheRevoked shows that a lock that was revoked is not held.
func GuardRefusesTheRevoked(s *Site) {
	s.Helper()
	store := s.Store()
	a, operator := s.ClientOf(store, TTL), s.ClientOf(store, TTL)
	lock := s.Acquire(a, "x")
	_ = s.Guarded(lock).Rollback()
	info, err := operator.Get(s.Context(), "x")
	if err != nil || len(info.Holders) != 1 {
		s.Fatalf("%+v, %v", info, err)
	}
	if err := operator.Revoke(s.Context(), "x", info.Holders[0].Fence, "a test"); err != nil {
		s.Fatal(err)
	}
	s.notHeld("that was revoked", s.Begin(), lock)
}

// GuardedCounterIsExact kills sessions all the time, while holders count. What was guarded
// and committed is counted exactly, though two may believe at once. An error of a count
// that expected does not take for one fails the test.
func GuardedCounterIsExact(s *Site, expected func(error) bool) {
	s.Helper()
	s.Client() // makes the tables
	counter := s.Tables + "counter"
	s.exec("CREATE TABLE " + counter + " AS SELECT 0 AS n")
	stop := time.Now().Add(3 * time.Second)
	var counted, refused atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		store := s.Store()
		for range 2 {
			c := s.ClientOf(store, TTL)
			wg.Go(func() {
				for time.Now().Before(stop) {
					lock := s.Acquire(c, "x")
					switch err := s.count(counter, lock); {
					case err == nil:
						counted.Add(1)
					case expected(err):
						refused.Add(1)
					default:
						s.Error(err)
					}
					_ = lock.Close()
				}
			})
		}
	}
	wg.Go(func() { s.killUntil(stop, "x") })
	wg.Wait()
	s.Logf("%d counted, %d refused", counted.Load(), refused.Load())
	if n := s.number("SELECT n FROM " + counter); n != counted.Load() || n == 0 {
		s.Errorf("counted %d times, the counter says %d", counted.Load(), n)
	}
}

// count adds one to the counter under a guard of the lock.
func (s *Site) count(counter string, lock *leasehold.Lock) error {
	tx, err := s.DB.BeginTx(s.Context(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := s.Guard(s.Context(), tx, lock); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRowContext(s.Context(), "SELECT n FROM "+counter).Scan(&n); err != nil {
		return err
	}
	time.Sleep(rand.N(3 * time.Millisecond)) // others may come in between
	if _, err := tx.ExecContext(s.Context(), "UPDATE "+counter+" SET n = "+strconv.Itoa(n+1)); err != nil {
		return err
	}
	return tx.Commit()
}
