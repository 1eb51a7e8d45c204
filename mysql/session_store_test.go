package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

var namespaces atomic.Int64

// testNamespace returns a namespace that nobody else uses: named locks are those of the
// whole server.
func testNamespace() string {
	return fmt.Sprintf("test %d %d", os.Getpid(), namespaces.Add(1))
}

func TestSessionConformance(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return OpenSession(serverURL(t), SessionConfig{Database: database, Namespace: testNamespace()})
		},
		Listens: true,
		Lacks:   drivertest.Lacks{Shared: true, Permits: true, MinHold: true, Fixed: true, Data: true},
	})
}

// site makes clients that are in each other's way: each of a SessionStore of its own, as
// if in a process of its own.
type site struct {
	testing.TB
	db  *sql.DB // of the test's own
	cfg SessionConfig
}

func newSite(t testing.TB, change ...func(*SessionConfig)) *site {
	t.Helper()
	s := &site{t, openDB(t, serverURL(t)), SessionConfig{Database: testDatabase(t), Namespace: testNamespace()}}
	for _, f := range change {
		f(&s.cfg)
	}
	return s
}

func (s *site) client() *leasehold.Client {
	s.Helper()
	return s.clientOf(OpenSession(serverURL(s), s.cfg), testTTL)
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

func (s *site) acquire(c *leasehold.Client, name string) *leasehold.Lock {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	lock, err := c.Acquire(ctx, name)
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
func (s *site) refused(c *leasehold.Client, name string) *leasehold.HeldError {
	s.Helper()
	lock, err := c.TryAcquire(s.Context(), name)
	if err == nil {
		s.Fatalf("%q was granted beside another, as %d", name, lock.Fence())
	}
	held, ok := asType[*leasehold.HeldError](err)
	if !ok {
		s.Fatalf("try of %q: %v", name, err)
	}
	return held
}

// user returns the connection that has the lock of a name; 0: none has.
func (s *site) user(name string) int64 {
	s.Helper()
	return value[int64](s, s.db, "SELECT IFNULL(IS_USED_LOCK('"+SessionLockName(s.cfg.Namespace, name)+"'), 0)")
}

// waits starts an acquisition that has to wait, and returns where its lock arrives.
func (s *site) waits(c *leasehold.Client, name string) <-chan *leasehold.Lock {
	s.Helper()
	got := make(chan *leasehold.Lock, 1)
	go func() {
		defer close(got)
		if lock, err := c.Acquire(s.Context(), name); err == nil {
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

// A pool of the caller's is used as it is: its connections are as they were when the store
// is done, and a small one is refused.
func TestSessionOfPool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openDB(t, serverURL(t))
	db.SetMaxOpenConns(4)
	c := s.clientOf(NewSession(db, s.cfg), testTTL)
	lock, other := s.acquire(c, "a"), s.client()
	if got := db.Stats().InUse; got != 3 {
		t.Errorf("%d connections are in use", got)
	}
	s.refused(other, "a")
	got := s.waits(other, "a")
	s.release(lock)
	next := s.within(prompt, "the next holder", got)
	if next.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", next.Fence(), lock.Fence())
	}
	c.Close()
	if got := db.Stats(); got.InUse != 0 || got.OpenConnections != 0 {
		t.Errorf("left behind: %+v", got)
	}
	execSQL(t, db, "DO 1")
	db.SetMaxOpenConns(3)
	_, err := leasehold.Open(t.Context(), NewSession(db, s.cfg), leasehold.Config{})
	if err == nil || !driver.IsPermanent(err) {
		t.Errorf("a pool that is too small: %v", err)
	}
}

// What the store lacks is refused.
func TestSessionLacks(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.NoFence, cfg.Database = true, "" })
	c := s.client()
	_, err := c.Acquire(t.Context(), "a", leasehold.Shared())
	if !errors.Is(err, leasehold.ErrUnsupported) {
		t.Errorf("shared: %v", err)
	}
	lock := s.acquire(c, "a")
	if got := lock.Fence(); got != 0 {
		t.Errorf("without fences: %d", got)
	}
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := Guard(t.Context(), tx, lock); !errors.Is(err, leasehold.ErrUnsupported) {
		t.Errorf("a guard: %v", err)
	}
	s.release(lock)
}
