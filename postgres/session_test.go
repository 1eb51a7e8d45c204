package postgres

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

var namespaces atomic.Int64

// testNamespace returns a namespace that nobody else uses: advisory locks are those of
// the whole database.
func testNamespace() string {
	return fmt.Sprintf("test %d %d", os.Getpid(), namespaces.Add(1))
}

func TestSessionConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return NewSession(testPool(t), SessionConfig{Schema: testSchema(t), Namespace: testNamespace()})
		},
		Listens: true,
		Lacks:   drivertest.Lacks{Permits: true, MinHold: true, Fixed: true, Data: true},
	})
}

// site makes clients that are in each other's way: each of a SessionStore of its own, as
// if in a process of its own.
type site struct {
	testing.TB
	pool *pgxpool.Pool
	cfg  SessionConfig
}

func newSite(t testing.TB, change ...func(*SessionConfig)) *site {
	t.Helper()
	s := &site{t, testPool(t), SessionConfig{Schema: testSchema(t), Namespace: testNamespace()}}
	for _, f := range change {
		f(&s.cfg)
	}
	return s
}

func (s *site) client() *leasehold.Client { return s.clientOn(s.pool, testTTL) }

func (s *site) clientOn(pool *pgxpool.Pool, ttl time.Duration) *leasehold.Client {
	s.Helper()
	return s.clientOf(NewSession(pool, s.cfg), ttl)
}

func (s *site) clientOf(store driver.Store, ttl time.Duration) *leasehold.Client {
	s.Helper()
	client, err := leasehold.Open(s.Context(), store, leasehold.Config{TTL: ttl})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { client.Close() })
	return client
}

func (s *site) acquire(c *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.Lock {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	lock, err := c.Acquire(ctx, name, opts...)
	if err != nil {
		s.Fatal(err)
	}
	return lock
}

// release closes a lock, which must be held until then.
func (s *site) release(lock *leasehold.Lock) {
	s.Helper()
	if err := lock.Close(); err != nil {
		s.Error(err)
	}
}

// refused makes a try that must fail.
func (s *site) refused(c *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.HeldError {
	s.Helper()
	lock, err := c.TryAcquire(s.Context(), name, opts...)
	if err == nil {
		s.Fatalf("%q was granted beside another, as %d", name, lock.Fence())
	}
	held, ok := asType[*leasehold.HeldError](err)
	if !ok {
		s.Fatalf("try of %q: %v", name, err)
	}
	return held
}

// backends returns the server processes that have the key of a name.
func (s *site) backends(name string) []int {
	s.Helper()
	const sql = `SELECT coalesce(array_agg(l.pid ORDER BY l.pid), '{}') FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND (l.classid::int8 << 32) | l.objid::int8 = $1`
	return value[[]int](s, s.pool, sql, SessionKey(s.cfg.Namespace, name))
}

// backend returns the one server process that has it.
func (s *site) backend(name string) int {
	s.Helper()
	pids := s.backends(name)
	if len(pids) != 1 {
		s.Fatalf("%q is held by the processes %v, want one", name, pids)
	}
	return pids[0]
}

// waits starts an acquisition that has to wait, and returns where its lock arrives.
func (s *site) waits(c *leasehold.Client, name string, opts ...leasehold.Option) <-chan *leasehold.Lock {
	s.Helper()
	got := make(chan *leasehold.Lock, 1)
	go func() {
		defer close(got)
		if lock, err := c.Acquire(s.Context(), name, opts...); err == nil {
			got <- lock
		}
	}()
	return got
}

// within receives a lock that must arrive soon.
func (s *site) within(limit time.Duration, what string, got <-chan *leasehold.Lock) *leasehold.Lock {
	s.Helper()
	start := time.Now()
	select {
	case lock := <-got:
		if took := time.Since(start); took > limit {
			s.Errorf("%s: took %v, of %v", what, took, limit)
		}
		if lock == nil {
			s.Fatalf("%s: no lock", what)
		}
		return lock
	case <-time.After(20 * time.Second):
		s.Fatalf("%s: never", what)
		return nil
	}
}
