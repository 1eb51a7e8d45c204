package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// countedConn counts what the client sends: with requests of a few hundred bytes, one
// write is one round trip.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// countingPool returns a pool whose settings count the writes of connections
// made with them.
func countingPool(t testing.TB) (*pgxpool.Pool, *atomic.Int64) {
	writes := new(atomic.Int64)
	return testPool(t, func(cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return countedConn{conn, writes}, err
		}
	}), writes
}

// Once the connection is warm, each call is one round trip.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	pool, writes := countingPool(t)
	store := New(pool, Config{Schema: testSchema(t)})
	c, other := newClient(t, store), newClient(t, New(testPool(t), store.cfg))
	ctx := t.Context()
	var a driver.Attempt
	calls := []struct {
		name string
		call func() error
	}{
		{"acquire", func() error { a = c.attempt("a"); _, err := c.Acquire(ctx, a, false); return err }},
		{"renew", func() error { _, err := c.RenewLease(ctx, c.lease.ID); return err }},
		{"try held", func() error { _, err := c.Acquire(ctx, c.attempt("a"), false); return err }},
		{"read", func() error { _, err := c.Read(ctx, driver.Query{Names: []string{"a"}}); return err }},
		{"release", func() error { _, err := c.Release(ctx, a); return err }},
		{"take over", func() error { return c.TakeOver(ctx, "a", nil, 0) }},
	}
	for round := range 4 {
		for _, call := range calls {
			before := writes.Load()
			if err := call.call(); err != nil {
				t.Fatalf("%s: %v", call.name, err)
			}
			if n := writes.Load() - before; round > 1 && n != 1 {
				t.Errorf("%s: %d round trips", call.name, n)
			}
		}
	}
	// A hand-over costs no more than a release; one more if nobody has waited for long.
	// (And one more if another test notifies at the same moment: so the least counts.)
	handOver := func() int64 {
		hold := c.hold("a")
		next := other.queue("a")
		before := writes.Load()
		if got := c.release(hold.Attempt); got != driver.Released {
			t.Errorf("hand-over: outcome %d", got)
		}
		n := writes.Load() - before
		other.release(next)
		return n
	}
	first, second := int64(100), int64(100)
	for range 5 {
		for range calm {
			c.release(c.hold("a").Attempt)
		}
		first, second = min(first, handOver()), min(second, handOver())
	}
	if first != 2 || second != 1 {
		t.Errorf("hand-over: %d round trips for the first, %d for the next", first, second)
	}
}

// A try on a held lock writes nothing, and neither does a repeated wait.
func TestTryOnAHeldLockWritesNothing(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	c.hold("a")
	a := c.queue("a")
	version := func() string {
		return value[string](t, pool, `SELECT ctid::text || xmin || ' ' || xmax FROM `+schema+`.lock`)
	}
	before := version()
	for range 5 {
		if _, err := c.Acquire(t.Context(), c.attempt("a"), false); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Acquire(t.Context(), a, true); err != nil {
			t.Fatal(err)
		}
	}
	if after := version(); after != before {
		t.Errorf("the row's version was %s and is %s", before, after)
	}
}

// Renewals and cycles on one name stay within their page: they touch no index,
// and leave no row version behind for vacuum to find.
func TestUpdatesTouchNoIndex(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	c, other := newClient(t, store), newClient(t, store)
	for range 200 {
		hold := c.hold("a")
		next := other.queue("a")
		c.release(hold.Attempt)
		other.release(next)
		if _, err := c.RenewLease(t.Context(), c.lease.ID); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"lock", "lease"} {
		size := value[int](t, pool, `SELECT pg_relation_size($1::text::regclass)::int`, schema+"."+table)
		if size > 4*8192 {
			t.Errorf("table %s has grown to %d bytes", table, size)
		}
	}
}

// One client with many locks and waiters has three connections at most, and
// renews all of them with one statement.
func TestHazard31_ThreeConnections(t *testing.T) {
	t.Parallel()
	schema := testSchema(t)
	name := "limits " + schema
	admin := testPool(t)
	pool := testPool(t, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.RuntimeParams["application_name"] = name
		cfg.MaxConns = 1 // the caller's, all of it in use
	})
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := New(pool, Config{Schema: schema})
	client, err := leasehold.Open(ctx, store, leasehold.Config{TTL: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer client.Close()
	var locks []*leasehold.Lock
	for i := range 100 {
		lock, err := client.Acquire(ctx, fmt.Sprint("name ", i))
		if err != nil {
			t.Fatal(err)
		}
		locks = append(locks, lock)
		wg.Go(func() {
			if lock, err := client.Acquire(ctx, lock.Name()); err == nil {
				_ = lock.Close()
			}
		})
	}
	ours := func() int {
		return value[int](t, admin, `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = left($1, 63)`, name+" leasehold")
	}
	beats := func() int64 { return value[int64](t, admin, `SELECT sum(beat)::bigint FROM `+schema+`.lease`) }
	most := 0
	for first := beats(); beats() < first+3; time.Sleep(20 * time.Millisecond) {
		most = max(most, ours())
	}
	if most > 3 || most < 2 {
		t.Errorf("%d connections", most)
	}
	if n := value[int](t, admin, `SELECT count(*)::int FROM `+schema+`.lease`); n != 1 {
		t.Errorf("%d leases for one client", n)
	}
	for _, lock := range locks {
		if !lock.Held() {
			t.Fatalf("%s was lost", lock.Name())
		}
	}
	cancel()
}

// Server processes are ended at random while clients acquire and release. At
// the end nothing is held, and never were there two holders.
func TestHazard11_KilledConnectionsLeaveNoGhost(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	tag := "kill " + schema
	tagged := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["application_name"] = tag })
	store := New(tagged, Config{Schema: schema})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var inside, cycles, failures atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		c := newClient(t, store)
		wg.Go(func() {
			for ctx.Err() == nil {
				a := c.attempt("a")
				reply, err := c.Acquire(t.Context(), a, false)
				if err != nil {
					failures.Add(1)
				} else if reply.Lock.HeldBy(a.Place()) {
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d holders", n)
					}
					cycles.Add(1)
					time.Sleep(time.Millisecond) // at work
					inside.Add(-1)
				}
				c.release(a)
			}
		})
	}
	kills := 0
	for ; ctx.Err() == nil; time.Sleep(15 * time.Millisecond) {
		execSQL(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name = left($1, 63) ORDER BY random() LIMIT 1`, tag+" leasehold")
		kills++
	}
	wg.Wait()
	if n := value[int](t, pool, `SELECT count(*)::int FROM `+schema+`.lock WHERE holder_ticket IS NOT NULL`); n != 0 {
		t.Errorf("%d ghosts", n)
	}
	t.Logf("%d kills, %d calls failed, %d cycles", kills, failures.Load(), cycles.Load())
	if failures.Load() == 0 || cycles.Load() == 0 {
		t.Error("the test did not hit what it is for")
	}
}

// Others that queue and cancel at the same instant never make a release Busy:
// only a guard does.
func TestReleaseUnderContentionIsNotBusy(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	holder := newClient(t, store)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		c := newClient(t, store)
		wg.Go(func() {
			for ctx.Err() == nil {
				a := c.attempt("a")
				if _, err := c.Acquire(t.Context(), a, true); err != nil {
					t.Error(err)
				}
				if got, err := c.Release(t.Context(), a); got == driver.Busy || err != nil {
					t.Errorf("outcome %d, %v", got, err)
				}
			}
		})
	}
	for range 200 {
		a := holder.attempt("a")
		if _, err := holder.Acquire(ctx, a, true); err != nil {
			t.Error(err)
		}
		if got, err := holder.Release(ctx, a); got == driver.Busy || err != nil {
			t.Errorf("outcome %d, %v", got, err)
		}
	}
	cancel()
	wg.Wait()
}

// Calls on one Conn from many goroutines, some of which give up.
func TestConnIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	c := newClient(t, New(testPool(t), Config{Schema: testSchema(t)}))
	var wg sync.WaitGroup
	for i := range 16 {
		name := fmt.Sprint("name ", i)
		wg.Go(func() {
			for n := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*time.Millisecond)
				a := c.attempt(name)
				_, err := c.Acquire(ctx, a, true)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				c.release(a)
			}
		})
	}
	wg.Wait()
	view, err := c.Read(t.Context(), driver.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range view.Locks {
		if l.Held() {
			t.Errorf("a ghost: %+v", l)
		}
	}
}

// Statements planned while the tables are empty find their rows by key, and so do
// those planned later: no plan depends on how large the tables are.
func TestPlansFindRowsByKey(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	const (
		id  = `'00000000-0000-0000-0000-000000000001'`
		row = `'a', 1, null, null, null, null, null, null, '{}', '{}', null, null`
	)
	calls := map[string][2]string{
		"renew_lease":  {c.told.renewLease, id + `, ''`},
		"end_lease":    {c.told.endLease, id + `, true, null, null`},
		"acquire":      {c.told.acquire, `'a', ` + id + `, ` + id + `, true, ''`},
		"grant":        {c.told.grant, `'a', ` + id + `, ` + id + `, 1, ''`},
		"queue":        {c.told.queue, `'a', ` + id + `, ` + id + `, 1, ''`},
		"batch_grant":  {c.told.batchGrant, `'{a}', ARRAY[` + id + `]::uuid[], '{t}', ` + id + `, 1, ''`},
		"batch_insert": {c.told.batchInsert, `'{a}', ARRAY[` + id + `]::uuid[], ` + id + `, 1, ''`},
		"batch_pass":   {c.told.batchPass, `'{a}', ARRAY[` + id + `]::uuid[], ` + id + `, 1, ''`},
		"batch_cancel": {c.told.batchCancel, `'{a}', ARRAY[` + id + `]::uuid[], ` + id},
		"leave":        {c.told.leave, `'a', ` + id + `, ` + id + `, true`},
		"pass":         {c.told.pass, `'a', ` + id + `, ` + id + `, 1, '', true`},
		"release":      {c.told.release, `'a', ` + id + `, ` + id + `, ''`},
		"take_over":    {c.told.takeOver, `'a', ARRAY[` + id + `]::uuid[], 0, ''`},
		"revoke":       {c.told.revoke, `'a', 1, '', ''`},
		"lock_row":     {c.told.lockRow, `'a', ` + id + `, ''`},
		"free_row":     {c.told.freeRow, `'a'`},
		"write_row":    {c.told.writeRow, row},
		"make_row":     {c.told.makeRow, row},
		"raise_notice": {c.told.raiseNotice, id},
		"guard_row":    {c.told.guardRow, `'a', ` + id + `, ` + id},
		"guard_lease":  {c.told.guardLease, id},
		"read_names":   {c.told.readNames, `'{a}'`},
		"read_page":    {c.told.readPage, `'', '', 'z', 1`},
	}
	check := func(size string) {
		for name, call := range calls {
			plan := c.explain(call[0], call[1])
			for _, bad := range []string{"Seq Scan on lock", "Seq Scan on lease", "Hash Join", "Merge Join"} {
				if strings.Contains(plan, bad) {
					t.Errorf("%s on %s tables:\n%s", name, size, plan)
				}
			}
			if scans, keys := strings.Count(plan, "Index Scan using"), strings.Count(plan, "Index Cond"); keys < scans {
				t.Errorf("%s on %s tables scans a whole index:\n%s", name, size, plan)
			}
		}
	}
	check("empty")
	execSQL(t, pool, `INSERT INTO `+schema+`.lock (name, fence) SELECT 'name ' || n, 1 FROM generate_series(1, 20000) AS n`)
	execSQL(t, pool, `INSERT INTO `+schema+`.lease SELECT gen_random_uuid(), 1, 0, 1000, '', '', 1, '', now() FROM generate_series(1, 5000)`)
	check("grown")
	execSQL(t, pool, `ANALYZE `+schema+`.lock, `+schema+`.lease`)
	check("analyzed")
}

// explain returns the plan of a statement, prepared on the command connection.
func (c *client) explain(sql, arguments string) string {
	c.t.Helper()
	return c.results(`PREPARE explained AS ` + sql + `; EXPLAIN EXECUTE explained (` + arguments + `); DEALLOCATE explained`)
}
