package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// openClient returns a client of the whole library, closed when t ends.
func openClient(t testing.TB, store *Store, cfg leasehold.Config) *leasehold.Client {
	t.Helper()
	client, err := leasehold.Open(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func acquireLock(t testing.TB, client *leasehold.Client, name string) *leasehold.Lock {
	t.Helper()
	lock, err := client.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// The network swallows everything in both directions: the context of a lock ends
// by its trust deadline, twenty times out of twenty.
func TestHazard01_BlackHoleEndsContextByTheDeadline(t *testing.T) {
	t.Parallel()
	schema := testSchema(t)
	if err := New(testPool(t), Config{Schema: schema}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			blackHole(t, schema, fmt.Sprint("name ", i))
		})
	}
}

func blackHole(t *testing.T, schema, name string) {
	const ttl = 2 * time.Second
	p, pool := newProxy(t)
	lock := acquireLock(t, openClient(t, New(pool, Config{Schema: schema}), leasehold.Config{TTL: ttl}), name)
	p.shut()
	shut := time.Now()
	<-lock.Context().Done()
	// The last renewal was sent before the network was cut. Timers may be late.
	if took := time.Since(shut); took > 5*ttl {
		t.Errorf("%s: the context ended %v after the network was cut, of a TTL of %v", name, took, ttl)
	}
	if cause := context.Cause(lock.Context()); !errors.Is(cause, leasehold.ErrExpired) {
		t.Errorf("%s: %v", name, cause)
	}
	if lock.Held() {
		t.Errorf("%s: still believed in", name)
	}
}

// The row of a lock is lost, or set back to what it was some grants ago, as by the
// promotion of a copy that lacks them: the next fence is larger all the same.
func TestHazard24_FenceRisesOverALostRow(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	for what, lose := range map[string]string{
		"deleted":  `DELETE FROM ` + schema + `.lock WHERE name = $1 AND $2::bigint > 0`,
		"set back": `UPDATE ` + schema + `.lock SET fence = $2 WHERE name = $1`,
	} {
		first := c.hold(what)
		c.release(first.Attempt)
		var last uint64
		for range 20 {
			hold := c.hold(what)
			last = hold.Fence
			c.release(hold.Attempt)
		}
		execSQL(t, pool, lose, what, int64(first.Fence))
		if hold := c.hold(what); hold.Fence <= last {
			t.Errorf("%s: fence %d after %d", what, hold.Fence, last)
		}
	}
}

// A client whose wall clock is wrong by decades says nothing that the store would
// believe: the instants stored are the database's.
func TestHazard26_NoClientClockIsStored(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	hold := c.hold("a")
	wrong := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := c.Revoke(t.Context(), "a", hold.Fence, driver.Mark{By: "b", At: wrong, Age: 999 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	row := c.row("a")
	if row.Mark.Age > time.Minute || row.Age > time.Minute {
		t.Errorf("ages %v and %v", row.Mark.Age, row.Age)
	}
	for _, sql := range []string{
		`SELECT bool_and(abs(extract(epoch FROM clock_timestamp() - renewed_at)) < 60) FROM ` + schema + `.lease`,
		`SELECT bool_and(abs(extract(epoch FROM clock_timestamp() - granted_at)) < 60
			AND abs(extract(epoch FROM clock_timestamp() - marked_at)) < 60) FROM ` + schema + `.lock`,
	} {
		if !value[bool](t, pool, sql) {
			t.Errorf("an instant is not the database's: %s", sql)
		}
	}
}

// The database's clock is stepped forward right after a renewal, by no more than
// the tolerance: nobody takes over. With the tolerance "never", no step matters.
func TestHazard29_ClockStepExpiresNoLiveLease(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second // so is the tolerance
	for what, c := range map[string]struct {
		tolerance, step time.Duration
	}{"WithinTolerance": {0, ttl - 200*time.Millisecond}, "Never": {-1, 24 * time.Hour}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool, schema := testPool(t), testSchema(t)
			store := New(pool, Config{Schema: schema})
			lock := acquireLock(t, openClient(t, store, leasehold.Config{TTL: ttl}), "a")
			other := openClient(t, store, leasehold.Config{TTL: ttl, Tolerance: c.tolerance})
			step := `UPDATE ` + schema + `.lease SET renewed_at = renewed_at - make_interval(secs => $1) WHERE id = $2
				AND renewed_at > clock_timestamp() - interval '1 minute'`
			for range 20 {
				execSQL(t, pool, step, c.step.Seconds(), lock.Hold().Lease.String())
				if _, err := other.TryAcquire(t.Context(), "a"); !errors.Is(err, leasehold.ErrHeld) {
					t.Fatalf("after a step of %v: %v", c.step, err)
				}
				execSQL(t, pool, `UPDATE `+schema+`.lease SET renewed_at = clock_timestamp()`)
				time.Sleep(20 * time.Millisecond)
			}
			if !lock.Held() {
				t.Errorf("lost: %v", context.Cause(lock.Context()))
			}
		})
	}
}

// The work uses every connection of the caller's pool, for longer than the TTL: the
// keepalive does not need them.
func TestHazard32_KeepaliveBesideTheUsersPool(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.MaxConns = 2 })
	client := openClient(t, New(pool, Config{Schema: testSchema(t)}), leasehold.Config{TTL: ttl})
	lock := acquireLock(t, client, "a")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := pool.Exec(t.Context(), `SELECT pg_sleep($1)`, ttl.Seconds()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if !lock.Held() {
		t.Errorf("lost: %v", context.Cause(lock.Context()))
	}
}

// Ten thousand locks are renewed by one statement, on at most three connections.
func TestOneStatementRenewsTenThousandLocks(t *testing.T) {
	t.Parallel()
	pool, writes := countingPool(t)
	admin, schema := testPool(t), testSchema(t)
	const ttl = 6 * time.Second
	client := openClient(t, New(pool, Config{Schema: schema}), leasehold.Config{TTL: ttl})
	locks := 10_000
	if testing.Short() {
		locks = 1000
	}
	for i := range locks {
		acquireLock(t, client, fmt.Sprint("name ", i))
	}
	beat := func() int64 { return value[int64](t, admin, `SELECT beat FROM `+schema+`.lease`) }
	next := func() { last := beat(); await(t, "a renewal", func() bool { return beat() > last }) }
	next()
	next() // by now it listens
	before := writes.Load()
	const renewals = 3
	for range renewals {
		next()
	}
	if sent := writes.Load() - before; sent != renewals {
		t.Errorf("%d statements during %d renewals", sent, renewals)
	}
}

// The statements that docs/operations.md gives for old rows leave fences rising and
// live clients alone.
func TestSweepingOldRows(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	old, fresh := c.hold("old"), c.hold("fresh")
	c.release(old.Attempt)
	execSQL(t, pool, `UPDATE `+schema+`.lock SET fence = fence - 90000000000 WHERE name = 'old'`)
	execSQL(t, pool, `DELETE FROM `+schema+`.lock WHERE holder_lease IS NULL
		AND fence < (extract(epoch FROM clock_timestamp() - interval '1 day') * 1000000)::bigint`)
	execSQL(t, pool, `DELETE FROM `+schema+`.lease WHERE renewed_at < clock_timestamp() - interval '1 day'`)
	if n := value[int](t, pool, `SELECT count(*)::int FROM `+schema+`.lock`); n != 1 {
		t.Errorf("%d rows left, want the one that is held", n)
	}
	if row := c.row("fresh"); !row.HeldBy(fresh.Place()) {
		t.Error("a held lock was swept")
	}
	if again := c.hold("old"); again.Fence <= old.Fence {
		t.Errorf("fence %d after %d", again.Fence, old.Fence)
	}
}
