package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold"
)

func (s *site) begin() pgx.Tx {
	s.Helper()
	tx, err := s.pool.Begin(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = tx.Rollback(context.Background()) })
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
	store := NewSession(s.pool, s.cfg)
	a, beside, b := s.clientOf(store, testTTL), s.clientOf(store, testTTL), s.client()
	for what, next := range map[string]*leasehold.Client{"in the process": beside, "in another": b} {
		for _, opts := range [][]leasehold.Option{nil, {leasehold.Shared()}} {
			lock := s.acquire(a, "x")
			tx, second := s.begin(), s.begin()
			for _, tx := range []pgx.Tx{tx, second} {
				if err := Guard(t.Context(), tx, lock); err != nil {
					t.Fatal(err)
				}
			}
			got := s.waits(next, "x", opts...)
			s.release(lock)
			late := s.begin()
			if err := Guard(t.Context(), late, lock); !errors.Is(err, leasehold.ErrNotHeld) {
				t.Errorf("guard of a lock that was released: %v", err)
			}
			_ = late.Rollback(t.Context())
			s.release(s.acquire(b, "y")) // nothing else is held up
			_ = second.Commit(t.Context())
			s.release(s.later(what, got, func() { _ = tx.Commit(t.Context()) }))
		}
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
	execSQL(t, s.pool, `SELECT pg_terminate_backend($1)`, s.backend("x"))
	<-lock.Context().Done()
	if err := Guard(t.Context(), late, lock); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard after the session: %v", err)
	}
	_ = late.Rollback(t.Context())
	s.release(s.later("after the guard", got, func() {
		if err := tx.Commit(t.Context()); err != nil {
			t.Error(err)
		}
	}))
}

// Readers guard what they share; a writer waits for the guards of all.
func TestSessionGuardOfASharedLock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b, c := s.client(), s.client(), s.client()
	one, two := s.acquire(a, "x", leasehold.Shared()), s.acquire(b, "x", leasehold.Shared())
	db := stdlib.OpenDBFromPool(s.pool)
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := GuardTx(t.Context(), tx, one); err != nil {
		t.Fatal(err)
	}
	other := s.begin()
	if err := Guard(t.Context(), other, two); err != nil {
		t.Fatal(err)
	}
	s.release(s.acquire(a, "x", leasehold.Shared())) // in the same process
	got := s.waits(c, "x")
	s.release(one)
	s.release(two)
	_ = other.Commit(t.Context())
	s.release(s.later("a writer", got, func() { _ = tx.Commit() }))
}

// Revoked, and on the wrong database: not held.
func TestSessionGuardRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.NoFence = true })
	store := NewSession(s.pool, s.cfg)
	a, operator := s.clientOf(store, testTTL), s.clientOf(store, testTTL)
	lock := s.acquire(a, "x")
	if err := Guard(t.Context(), s.begin(), lock); err != nil {
		t.Error(err)
	}
	info, err := operator.Get(t.Context(), "x")
	if err != nil || len(info.Holders) != 1 {
		t.Fatalf("%+v, %v", info, err)
	}
	if err := operator.Revoke(t.Context(), "x", info.Holders[0].Fence, "a test"); err != nil {
		t.Fatal(err)
	}
	if err := Guard(t.Context(), s.begin(), lock); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard of a revoked lock: %v", err)
	}
}

// Sessions are terminated all the time, while holders count. What was guarded and committed
// is counted exactly, though two may believe at once.
func TestHazard25_SessionGuardedCounterIsExact(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client() // makes the schema
	counter := s.cfg.Schema + ".counter"
	execSQL(t, s.pool, `CREATE TABLE `+counter+` AS SELECT 0 AS n`)
	pool := testPool(t)
	count := func(lock *leasehold.Lock) error {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			return err
		}
		defer tx.Rollback(context.WithoutCancel(t.Context()))
		if err := Guard(t.Context(), tx, lock); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT n FROM `+counter).Scan(&n); err != nil {
			return err
		}
		time.Sleep(rand.N(3 * time.Millisecond)) // others may come in between
		if _, err := tx.Exec(t.Context(), `UPDATE `+counter+` SET n = $1`, n+1); err != nil {
			return err
		}
		return tx.Commit(t.Context())
	}
	stop := time.Now().Add(4 * time.Second)
	var counted, refused atomic.Int64
	var wg sync.WaitGroup
	for range 3 {
		store := NewSession(s.pool, s.cfg)
		for range 2 {
			c := s.clientOf(store, testTTL)
			wg.Go(func() {
				for time.Now().Before(stop) {
					lock := s.acquire(c, "x")
					switch err := count(lock); {
					case err == nil:
						counted.Add(1)
					case errors.Is(err, leasehold.ErrNotHeld):
						refused.Add(1)
					default:
						t.Error(err)
					}
					_ = lock.Close()
				}
			})
		}
	}
	wg.Go(func() {
		for time.Now().Before(stop) {
			for _, pid := range s.backends("x") {
				execSQL(t, s.pool, `SELECT pg_terminate_backend($1)`, pid)
			}
			time.Sleep(rand.N(40 * time.Millisecond)) // the moment is what varies
		}
	})
	wg.Wait()
	t.Logf("%d counted, %d refused", counted.Load(), refused.Load())
	if n := value[int64](t, s.pool, `SELECT n FROM `+counter); n != counted.Load() || n == 0 {
		t.Errorf("counted %d times, the counter says %d", counted.Load(), n)
	}
}
