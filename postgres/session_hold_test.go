package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// connections returns how many connections of a name there are.
func connections(t testing.TB, pool *pgxpool.Pool, application string) int {
	return value[int](t, pool, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE $1 || '%'`, application)
}

// A thousand locks held and a thousand goroutines that wait, for the names and for one
// of another process, take one connection.
func TestHazard31_SessionLocksOnOneConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	app := "crowd of " + s.cfg.Schema
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["application_name"] = app })
	c, other := s.clientOn(pool, testTTL), s.client()
	theirs := s.acquire(other, "theirs")
	const n = 1000
	locks := make([]*leasehold.Lock, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { locks[i] = s.acquire(c, fmt.Sprint("name ", i)) })
	}
	wg.Wait()
	var granted atomic.Int64
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("name ", i)
			if i%2 == 0 {
				name = "theirs"
			}
			lock, err := c.Acquire(t.Context(), name)
			if err != nil {
				t.Error(err)
				return
			}
			granted.Add(1)
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	await(t, "all wait", func() bool {
		info, err := c.Get(t.Context(), "name 999")
		return err == nil && len(info.Waiters) == 1
	})
	if got := connections(t, s.pool, app); got != 1 {
		t.Errorf("%d connections", got)
	}
	if granted.Load() != 0 {
		t.Errorf("%d who should wait do not", granted.Load())
	}
	for _, lock := range locks {
		wg.Go(func() { s.release(lock) })
	}
	s.release(theirs)
	wg.Wait()
	if granted.Load() != n {
		t.Errorf("%d of %d were granted", granted.Load(), n)
	}
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
	c := s.clientOn(pool, ttl)
	lock := s.acquire(c, "a")
	select {
	case <-lock.Context().Done():
		t.Fatal(context.Cause(lock.Context()))
	case <-time.After(4 * ttl):
	}
	s.release(lock)
}

// No connection that anybody gets back, from the pool or otherwise, has a lock.
func TestHazard33_NoLockIsLeftWithAConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.MaxConns = 2 })
	c := s.clientOn(pool, testTTL)
	s.acquire(c, "left behind")
	s.acquire(c, "shared", leasehold.Shared())
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
		if pids := s.backends(name); len(pids) > 0 {
			t.Errorf("%q is still held by the processes %v", name, pids)
		}
	}
}

// Waits that end, for names that others hold, here and elsewhere, end nothing else.
func TestHazard34_CancelledWaitsDropNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, other := s.client(), s.client()
	mine, theirs := s.acquire(c, "mine"), s.acquire(other, "theirs")
	pid := s.backend("mine")
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), rand.N(30*time.Millisecond))
			defer cancel()
			name := []string{"mine", "theirs", "theirs"}[i%3]
			if _, err := c.Acquire(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a wait that ended: %v", err)
			}
		})
	}
	wg.Wait()
	if !mine.Held() || !theirs.Held() || s.backend("mine") != pid {
		t.Errorf("held %v and %v, by the process %d, before %d", mine.Held(), theirs.Held(), s.backend("mine"), pid)
	}
	s.release(theirs)
	s.release(mine)
	s.free("mine", "theirs")
}

// free checks that nobody comes to hold the names, of which nothing may be left.
func (s *site) free(names ...string) {
	s.Helper()
	for _, name := range names {
		await(s, "the lock is free", func() bool { return len(s.backends(name)) == 0 })
	}
	fresh := s.client()
	for _, name := range names {
		lock, err := fresh.TryAcquire(s.Context(), name)
		if err != nil {
			s.Errorf("a ghost: %v", err)
			continue
		}
		s.release(lock)
	}
}

// The grant and the end of the wait come at the same moment, between processes: whoever
// says that it holds does, and nothing is left of the others.
func TestHazard36_SessionGrantAndCancellationAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, other := s.client(), s.client()
	granted := 0
	for range 60 {
		lock := s.acquire(other, "a")
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan *leasehold.Lock, 1)
		go func() {
			lock, _ := c.Acquire(ctx, "a")
			got <- lock
		}()
		time.AfterFunc(rand.N(3*time.Millisecond), cancel)
		time.Sleep(rand.N(3 * time.Millisecond)) // the moment is what varies
		s.release(lock)
		if lock := <-got; lock != nil {
			granted++
			s.refused(other, "a")
			s.release(lock)
		}
		cancel()
	}
	t.Logf("%d of 60 were granted", granted)
	s.free("a")
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
