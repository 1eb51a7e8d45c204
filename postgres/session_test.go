package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

func TestSessionConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return NewSession(testPool(t), SessionConfig{Schema: testSchema(t), Namespace: sessiontest.Namespace()})
		},
		Listens: true,
		Lacks:   drivertest.Lacks{Permits: true, MinHold: true, Fixed: true, Data: true},
	})
}

// site is a sessiontest.Site, with what only tests of this server's need.
type site struct {
	*sessiontest.Site
	pool *pgxpool.Pool
	cfg  SessionConfig
}

func newSite(t testing.TB, change ...func(*SessionConfig)) *site {
	t.Helper()
	s := &site{pool: testPool(t), cfg: SessionConfig{Schema: testSchema(t), Namespace: sessiontest.Namespace()}}
	for _, f := range change {
		f(&s.cfg)
	}
	s.Site = &sessiontest.Site{
		TB: t, DB: openDB(t, "pgx", serverURL(t)), Guard: GuardTx, Shared: true,
		Store:    func() driver.Store { return NewSession(s.pool, s.cfg) },
		Holders:  s.backends,
		KillSQL:  "SELECT pg_terminate_backend(%d)",
		ClockSQL: "(extract(epoch FROM clock_timestamp()) * 1000000)::int8",
		Tables:   s.cfg.Schema + ".",
		Fences:   s.cfg.Schema + ".fence",
	}
	return s
}

func (s *site) clientOn(pool *pgxpool.Pool, ttl time.Duration) *leasehold.Client {
	s.Helper()
	return s.ClientOf(NewSession(pool, s.cfg), ttl)
}

// backends returns the server processes that have the key of a name.
func (s *site) backends(name string) []int64 {
	s.Helper()
	const sql = `SELECT coalesce(array_agg(l.pid::int8 ORDER BY l.pid), '{}') FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND (l.classid::int8 << 32) | l.objid::int8 = $1`
	return value[[]int64](s, s.pool, sql, SessionKey(s.cfg.Namespace, name))
}
