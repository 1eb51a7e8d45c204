package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// connections returns how many connections of a name there are.
func connections(t testing.TB, pool *pgxpool.Pool, application string) int {
	return value[int](t, pool, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE $1 || '%'`, application)
}

func TestHazard31_SessionLocksOnOneConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app := "crowd of " + s.cfg.Schema
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["application_name"] = app })
	sessiontest.Crowd(s.Site, s.clientOn(pool, sessiontest.TTL), func() {
		if got := connections(t, s.pool, app); got != 1 {
			t.Errorf("%d connections", got)
		}
	})
}

// The user's pool may be as exhausted as it likes.
func TestHazard32_SessionBesideTheUsersPool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.MaxConns = 1 })
	all, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer all.Release()
	const ttl = 300 * time.Millisecond
	sessiontest.StaysHeld(s.Site, s.clientOn(pool, ttl), 4*ttl)
}

// No connection that anybody gets back, from the pool or otherwise, has a lock.
func TestHazard33_NoLockIsLeftWithAConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.MaxConns = 2 })
	c := s.clientOn(pool, testTTL)
	s.Acquire(c, "left behind")
	s.Acquire(c, "shared", leasehold.Shared())
	for range 4 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var n int
		err = conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`).Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("a connection of the pool has %d locks, %v", n, err)
		}
		conn.Release()
	}
	c.Close()
	for _, name := range []string{"left behind", "shared"} {
		if pids := s.Holders(name); len(pids) > 0 {
			t.Errorf("%q is still held by the processes %v", name, pids)
		}
	}
}

func TestHazard34_CancelledWaitsDropNothing(t *testing.T) {
	t.Parallel()
	sessiontest.CancelledWaitsDropNothing(newSite(t).Site)
}

func TestHazard36_SessionGrantAndCancellationAtOnce(t *testing.T) {
	t.Parallel()
	sessiontest.GrantAndCancellationAtOnce(newSite(t).Site, 10*time.Millisecond)
}

// A lock table that is full is said to be; what is held stays, and there is room again when
// some of it is given back.
func TestSessionLockTableFull(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{Settings: map[string]string{"max_locks_per_transaction": "10", "max_connections": "10"}})
	store := NewSession(poolAt(t, server.URL()), SessionConfig{})
	client, err := leasehold.Open(t.Context(), store, leasehold.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var mu sync.Mutex
	var locks []*leasehold.Lock
	var full error
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				lock, err := client.Acquire(t.Context(), fmt.Sprint(worker, " ", i))
				mu.Lock()
				if err != nil {
					full = err
				} else {
					locks = append(locks, lock)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if full == nil || !driver.IsPermanent(full) || !strings.Contains(full.Error(), "max_locks_per_transaction") {
		t.Fatalf("after %d locks: %v", len(locks), full)
	}
	for _, lock := range locks[:20] { // else there is no room for the look
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	locks = locks[20:]
	held := value[int](t, poolAt(t, server.URL()), `SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1`)
	if held != len(locks) {
		t.Errorf("the server has %d locks, we %d", held, len(locks))
	}
	for _, lock := range locks {
		if !lock.Held() {
			t.Fatalf("%q was lost: %v", lock.Name(), context.Cause(lock.Context()))
		}
		wg.Go(func() { _ = lock.Close() })
	}
	wg.Wait()
	lock, err := client.Acquire(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
}
