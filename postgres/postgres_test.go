package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

const serverEnv = "LEASEHOLD_TEST_POSTGRES_URL"

func serverURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv(serverEnv)
	if url == "" {
		t.Fatal("no server: run make test, or set " + serverEnv)
	}
	return url
}

// testPool returns a pool of the test server, closed when t ends.
func testPool(t testing.TB, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MinConns = 0
	for _, f := range change {
		f(cfg)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

var schemas atomic.Int64

// testSchema returns the name of a schema that does not exist, dropped when t
// ends.
func testSchema(t testing.TB) string {
	t.Helper()
	schema := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	pool := testPool(t)
	t.Cleanup(func() { execSQL(t, pool, `DROP SCHEMA IF EXISTS `+schema+` CASCADE`) })
	return schema
}

func execSQL(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := pool.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("%s: %v", strings.Fields(sql)[0], err)
	}
}

// value returns the one value that a query yields.
func value[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// testTTL is long enough that nothing here depends on it.
const testTTL = 15 * time.Second

// open returns a Conn of store, closed when t ends.
func open(t testing.TB, store *Store, ttl time.Duration) *conn {
	t.Helper()
	c, err := store.Connect(t.Context(), driver.Settings{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*conn)
}

// client is a Conn with a lease.
type client struct {
	*conn
	t     testing.TB
	lease driver.Lease
}

func newClient(t testing.TB, store *Store) *client {
	t.Helper()
	return asClient(t, open(t, store, testTTL))
}

func asClient(t testing.TB, c *conn) *client {
	t.Helper()
	lease := driver.Lease{ID: driver.NewID(), TTL: c.ttl, Owner: "owner", Info: driver.Info{Host: "host", PID: 1, App: "app"}}
	if _, err := c.CreateLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	return &client{conn: c, t: t, lease: lease}
}

func (c *client) attempt(name string) driver.Attempt {
	return driver.Attempt{Name: name, Lease: c.lease.ID, Ticket: driver.NewID()}
}

// hold acquires a free name.
func (c *client) hold(name string) driver.Hold {
	c.t.Helper()
	a := c.attempt(name)
	reply, err := c.Acquire(c.t.Context(), a, false)
	if err != nil || !reply.Lock.HeldBy(a.Place()) {
		c.t.Fatalf("Acquire of %q: holder %v, %v", name, reply.Lock.Holder, err)
	}
	return driver.Hold{Attempt: a, Fence: reply.Lock.Fence, Conn: c.conn}
}

// queue waits for a held name.
func (c *client) queue(name string) driver.Attempt {
	c.t.Helper()
	a := c.attempt(name)
	reply, err := c.Acquire(c.t.Context(), a, true)
	if err != nil || reply.Lock.Ahead(a.Place()) < 0 {
		c.t.Fatalf("Acquire of held %q: %+v, %v", name, reply.Lock, err)
	}
	return a
}

// release releases until the outcome is known.
func (c *client) release(a driver.Attempt) driver.Outcome {
	c.t.Helper()
	var outcome driver.Outcome
	await(c.t, "a release whose outcome is known", func() bool {
		got, err := c.Release(c.t.Context(), a)
		outcome = got
		return err == nil && got != driver.Busy
	})
	return outcome
}

func (c *client) row(name string) driver.Lock {
	c.t.Helper()
	view, err := c.Read(c.t.Context(), driver.Query{Names: []string{name}})
	if err != nil || len(view.Locks) != 1 {
		c.t.Fatalf("Read of %q: %d rows, %v", name, len(view.Locks), err)
	}
	return view.Locks[0]
}

// await polls until done, for so long that only a fault exceeds it.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// within calls fn with a context of 300 ms and fails if fn takes much longer.
func within(t *testing.T, what string, fn func(context.Context) error) error {
	t.Helper()
	const limit = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	err := fn(ctx)
	if took := time.Since(start); took > 5*limit {
		t.Errorf("%s returned %v after its context began, of %v", what, took, limit)
	}
	return err
}
