package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// hostile returns a pool of a database of its own, whose defaults are bad for
// locks, and of whose connections the user's hook makes them worse.
func hostile(t *testing.T, settings ...string) *pgxpool.Pool {
	t.Helper()
	admin, name := testPool(t), testSchema(t)
	execSQL(t, admin, `CREATE DATABASE `+name)
	t.Cleanup(func() { execSQL(t, admin, `DROP DATABASE `+name+` WITH (FORCE)`) })
	for _, s := range settings {
		execSQL(t, admin, `ALTER DATABASE `+name+` SET `+s)
	}
	return testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Database = name })
}

// show returns a setting of c's command connection.
func show(t *testing.T, c *conn, l *link, setting string) string {
	t.Helper()
	var v string
	err := c.on(t.Context(), l, func(ctx context.Context, s *session, _ *statements) error {
		return s.QueryRow(ctx, `SELECT current_setting($1)`, setting).Scan(&v)
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever the database's defaults are: the commits are durable, the isolation
// level and the time zone are ours, and no timeout of theirs is in force.
func TestHazard44_HostileDefaults(t *testing.T) {
	t.Parallel()
	pool := hostile(t,
		`synchronous_commit = off`, `default_transaction_isolation = 'serializable'`,
		`statement_timeout = '3ms'`, `lock_timeout = '1ms'`, `idle_in_transaction_session_timeout = '1ms'`,
		`idle_session_timeout = '1s'`, `TimeZone = 'Pacific/Apia'`, `DateStyle = 'SQL, DMY'`, `search_path = 'nowhere'`,
		`enable_indexscan = off`, `bytea_output = escape`, `IntervalStyle = sql_standard`)
	store := New(pool, Config{})
	c := newClient(t, store)
	for _, l := range []*link{c.command, c.keepalive} {
		for setting, want := range map[string]string{
			"synchronous_commit": "on", "default_transaction_isolation": "read committed", "TimeZone": "UTC",
			"transaction_isolation": "read committed", "statement_timeout": "7500ms", "lock_timeout": "50ms",
			"idle_session_timeout": "0",
		} {
			if got := show(t, c.conn, l, setting); got != want {
				t.Errorf("%s is %s, want %s", setting, got, want)
			}
		}
	}
	hold := c.hold("a")
	other := newClient(t, store)
	next := other.queue("a")
	if _, err := c.RenewLease(t.Context(), c.lease.ID); err != nil {
		t.Error(err)
	}
	if got := c.release(hold.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if row := other.row("a"); !row.HeldBy(next.Place()) {
		t.Errorf("row %+v", row)
	}
}

// A stronger setting than ours stays, and so does the name the caller gave.
func TestSettingsThatStay(t *testing.T) {
	t.Parallel()
	pool := hostile(t, `synchronous_commit = remote_apply`)
	cfg := pool.Config()
	cfg.ConnConfig.RuntimeParams["application_name"] = "billing"
	named, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	c := newClient(t, New(named, Config{}))
	if got := show(t, c.conn, c.command, "synchronous_commit"); got != "remote_apply" {
		t.Errorf("synchronous_commit is %s", got)
	}
	if got := show(t, c.conn, c.command, "application_name"); got != "billing leasehold" {
		t.Errorf("application_name is %q", got)
	}
}

// The age of a lease and of a grant are counted by elapsed time of the server's,
// from the statement and not from the beginning of a transaction, whatever the
// time zone does.
func TestHazard28_TimeZonesShiftNothing(t *testing.T) {
	t.Parallel()
	pool := hostile(t, `TimeZone = 'America/New_York'`)
	store := New(pool, Config{})
	c := newClient(t, store)
	hold := c.hold("a")
	// The instant when clocks there are put back, as text without a zone, would
	// be read one hour off.
	execSQL(t, pool, `SET TimeZone = 'Pacific/Apia'; UPDATE leasehold.lease SET renewed_at = clock_timestamp() - interval '50 seconds'`)
	view, err := c.Read(t.Context(), driver.Query{Names: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if age := view.Leases[c.lease.ID].Age; age < 50*time.Second || age > 70*time.Second {
		t.Errorf("a lease renewed 50 s ago has age %v", age)
	}
	if l := view.Locks[0]; l.Age < 0 || l.Age > 20*time.Second || time.Since(l.Since).Abs() > time.Minute {
		t.Errorf("granted just now: %v ago, at %v", l.Age, l.Since)
	}
	for tolerance, want := range map[time.Duration]bool{36 * time.Second: false, 34 * time.Second: true} {
		if want == (view.Leases[c.lease.ID].Age < testTTL+tolerance) {
			continue // a very slow machine
		}
		gone, err := c.EndLease(t.Context(), c.lease.ID, driver.Grounds{Overdue: tolerance})
		if gone != want || err != nil {
			t.Errorf("overdue by 35 s, tolerance %v: gone %v, %v", tolerance, gone, err)
		}
		if gone {
			break
		}
	}
	if got := c.release(hold.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
}

// now() would be the beginning of the transaction: a grant that waited for a row
// would be older than it is, and its fence smaller.
func TestHazard27_ClockIsReadUnderTheRowLock(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	c.release(c.hold("a").Attempt)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM `+schema+`.lock FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	holds := make(chan driver.Hold, 1)
	go func() { holds <- c.hold("a") }()
	await(t, "the acquire waits for the row", func() bool { return waiting(t, pool, schema) == 1 })
	var freed int64
	if err := tx.QueryRow(t.Context(), `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`).Scan(&freed); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hold := <-holds; hold.Fence < uint64(freed) {
		t.Errorf("fence %d is of before the row was locked, %d", hold.Fence, freed)
	}
}

// waiting counts the statements on a schema's tables that wait for a lock.
func waiting(t testing.TB, pool *pgxpool.Pool, schema string) int {
	t.Helper()
	return value[int](t, pool, `SELECT count(*)::int FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1::text || '%' AND pid <> pg_backend_pid()`, schema)
}

// A server that refuses to write is told apart, and may get better.
func TestHazard45_ReadOnlyServer(t *testing.T) {
	t.Parallel()
	pool := hostile(t, `default_transaction_read_only = on`)
	err := connect(t, New(pool, Config{}), testTTL)
	if !errors.Is(err, errReadOnly) || driver.IsPermanent(err) {
		t.Errorf("read-only server: %v", err)
	}
	// One that turns read-only under a connection.
	writable, schema := testPool(t), testSchema(t)
	c := newClient(t, New(writable, Config{Schema: schema}))
	err = c.on(t.Context(), c.command, func(ctx context.Context, s *session, _ *statements) error {
		_, err := s.Exec(ctx, `SET default_transaction_read_only = on`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Acquire(t.Context(), c.attempt("a"), false); !errors.Is(err, errReadOnly) || driver.IsPermanent(err) {
		t.Errorf("acquire on a server turned read-only: %v", err)
	}
}

// The caller's hooks run on our connections, their settings do not win, and the
// pool itself is not used.
func TestHooksOfThePool(t *testing.T) {
	t.Parallel()
	schema := testSchema(t)
	var before, after int
	pool := testPool(t, func(cfg *pgxpool.Config) {
		password := cfg.ConnConfig.Password
		cfg.ConnConfig.Password = "wrong, set by BeforeConnect"
		cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
			before++
			c.Password = password
			return nil
		}
		cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			after++
			_, err := conn.Exec(ctx, `SET synchronous_commit = off`)
			return err
		}
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	})
	c := newClient(t, New(pool, Config{Schema: schema}))
	c.release(c.hold("a").Attempt)
	if got := show(t, c.conn, c.command, "synchronous_commit"); got != "on" {
		t.Errorf("synchronous_commit is %s", got)
	}
	if before != 1 || after != 1 {
		t.Errorf("hooks called %d and %d times for one connection", before, after)
	}
	if n := pool.Stat().NewConnsCount(); n != 0 {
		t.Errorf("%d connections of the pool were made", n)
	}
}

// A hook that hangs and does not look at its context delays nobody further than
// their own.
func TestHookThatHangs(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	defer close(hang)
	pool := testPool(t, func(cfg *pgxpool.Config) {
		cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { <-hang; return nil }
	})
	err := within(t, "Connect", func(ctx context.Context) error {
		_, err := New(pool, Config{}).Connect(ctx, driver.Settings{TTL: testTTL})
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A warning that a wait for the synchronous standby was cancelled means that the
// outcome is unknown. (The trigger stands in for the standby.)
func TestWarningMeansUnknown(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	execSQL(t, pool, fmt.Sprintf(`CREATE FUNCTION %[1]s.warn() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE WARNING 'cancelled'; RETURN NULL; END $$;
		CREATE TRIGGER warn AFTER INSERT ON %[1]s.lock EXECUTE FUNCTION %[1]s.warn()`, schema))
	a := c.attempt("a")
	if _, err := c.Acquire(t.Context(), a, false); !errors.Is(err, errUnsure) || driver.IsPermanent(err) {
		t.Errorf("with a warning: %v", err)
	}
	if got := c.release(a); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
}

// An error that comes with the commit, after the row, is an error of the call.
func TestHazard50_GrantIsKnownAtTheCommit(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	execSQL(t, pool, fmt.Sprintf(`CREATE FUNCTION %[1]s.fail() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'at commit'; END $$;
		CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON %[1]s.lock DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION %[1]s.fail()`, schema))
	if _, err := c.Acquire(t.Context(), c.attempt("a"), false); err == nil || !strings.Contains(err.Error(), "at commit") {
		t.Errorf("a commit that failed: %v", err)
	}
}
