package mysql

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

func TestSessionConformance(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return OpenSession(serverURL(t), SessionConfig{Database: database, Namespace: sessiontest.Namespace()})
		},
		Listens: true,
		Lacks:   drivertest.Lacks{Shared: true, Permits: true, MinHold: true, Fixed: true, Data: true},
	})
}

// site is a sessiontest.Site, with what only tests of this server's need.
type site struct {
	*sessiontest.Site
	db  *sql.DB // of the test's own
	cfg SessionConfig
}

func newSite(t testing.TB, change ...func(*SessionConfig)) *site {
	t.Helper()
	cfg := SessionConfig{Database: testDatabase(t), Namespace: sessiontest.Namespace()}
	for _, f := range change {
		f(&cfg)
	}
	return siteAt(t, serverURL(t), cfg)
}

// siteAt returns a site at a server of which that is the URL.
func siteAt(t testing.TB, url string, cfg SessionConfig) *site {
	t.Helper()
	s := &site{db: openDB(t, url), cfg: cfg}
	s.Site = &sessiontest.Site{
		TB: t, DB: s.db, Guard: Guard,
		Store:    func() driver.Store { return OpenSession(url, s.cfg) },
		Holders:  s.holders,
		KillSQL:  "KILL CONNECTION %d",
		ClockSQL: clockSQL,
		Tables:   cfg.Database + ".",
		Fences:   cfg.Database + ".leasehold_fence",
	}
	return s
}

// holders returns the connections that have the lock of a name: one or none.
func (s *site) holders(name string) (ids []int64) {
	s.Helper()
	query := "SELECT IFNULL(IS_USED_LOCK('" + SessionLockName(s.cfg.Namespace, name) + "'), 0)"
	if id := value[int64](s, s.db, query); id != 0 {
		ids = append(ids, id)
	}
	return ids
}

// A pool of the caller's is used as it is: its connections are as they were when the store
// is done, and a small one is refused.
func TestSessionOfPool(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := openDB(t, serverURL(t))
	db.SetMaxOpenConns(4)
	c := s.ClientOf(NewSession(db, s.cfg), testTTL)
	lock, other := s.Acquire(c, "a"), s.Client()
	if got := db.Stats().InUse; got != 3 {
		t.Errorf("%d connections are in use", got)
	}
	s.Refused(other, "a")
	got := s.Waits(other, "a")
	s.Release(lock)
	next := s.Within(sessiontest.Prompt, "the next holder", got)
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
	c := s.Client()
	_, err := c.Acquire(t.Context(), "a", leasehold.Shared())
	if !errors.Is(err, leasehold.ErrUnsupported) {
		t.Errorf("shared: %v", err)
	}
	lock := s.Acquire(c, "a")
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
	s.Release(lock)
}
