package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
)

const serverEnv = "LEASEHOLD_TEST_MYSQL_URL"

func serverURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv(serverEnv)
	if url == "" {
		t.Fatal("no server: run make test, or set " + serverEnv)
	}
	return url
}

// settingsOf returns the driver's settings for the test server, changed.
func settingsOf(t testing.TB, url string, change ...func(*mysql.Config)) *mysql.Config {
	t.Helper()
	cfg, err := parseSource(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

// openDB returns a pool of the test's own, closed when t ends.
func openDB(t testing.TB, url string, change ...func(*mysql.Config)) *sql.DB {
	t.Helper()
	connector, err := mysql.NewConnector(settingsOf(t, url, change...))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

var databases atomic.Int64

// testDatabase makes an empty database on the test server, dropped when t ends, and returns
// its name.
func testDatabase(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	db := openDB(t, serverURL(t))
	execSQL(t, db, "CREATE DATABASE "+name)
	t.Cleanup(func() { execSQL(t, db, "DROP DATABASE "+name) })
	return name
}

// testStore returns a store in a database of its own.
func testStore(t testing.TB) *Store {
	t.Helper()
	return storeIn(t, testDatabase(t))
}

// storeIn returns a store in the database, whose connections begin there.
func storeIn(t testing.TB, database string) *Store {
	t.Helper()
	return Open(settingsOf(t, serverURL(t), func(cfg *mysql.Config) { cfg.DBName = database }).FormatDSN(), Config{})
}

func execSQL(t testing.TB, db *sql.DB, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, text); err != nil {
		t.Fatalf("%s: %v", strings.Fields(text)[0], err)
	}
}

// value returns the one value that a query yields.
func value[T any](t testing.TB, db *sql.DB, text string) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := db.QueryRowContext(ctx, text).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
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
	tb    testing.TB
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
	return &client{conn: c, tb: t, lease: lease}
}

func (c *client) attempt(name string) driver.Attempt {
	return driver.Attempt{Name: name, Lease: c.lease.ID, Ticket: driver.NewID()}
}

// hold acquires a free name.
func (c *client) hold(name string) driver.Hold {
	c.tb.Helper()
	return c.holdAs(name, driver.Terms{})
}

func (c *client) holdAs(name string, terms driver.Terms) driver.Hold {
	c.tb.Helper()
	a := c.attempt(name)
	a.Terms = terms
	reply, err := c.Acquire(c.tb.Context(), a, false)
	grant, held := reply.Lock.GrantOf(a.Place())
	if err != nil || !held {
		c.tb.Fatalf("Acquire of %q: holder %v, %v", name, reply.Lock.Holder, err)
	}
	return driver.Hold{Attempt: a, Fence: grant.Fence, Conn: c.conn}
}

// queue waits for a held name.
func (c *client) queue(name string) driver.Attempt {
	c.tb.Helper()
	a := c.attempt(name)
	reply, err := c.Acquire(c.tb.Context(), a, true)
	if err != nil || reply.Lock.Ahead(a.Place()) < 0 {
		c.tb.Fatalf("Acquire of held %q: %+v, %v", name, reply.Lock, err)
	}
	return a
}

// release releases until the outcome is known.
func (c *client) release(a driver.Attempt) driver.Outcome {
	c.tb.Helper()
	var outcome driver.Outcome
	await(c.tb, "a release whose outcome is known", func() bool {
		got, err := c.Release(c.tb.Context(), a)
		outcome = got
		return err == nil && got != driver.Busy
	})
	return outcome
}

func (c *client) row(name string) driver.Lock {
	c.tb.Helper()
	view, err := c.Read(c.tb.Context(), driver.Query{Names: []string{name}})
	if err != nil || len(view.Locks) != 1 {
		c.tb.Fatalf("Read of %q: %d rows, %v", name, len(view.Locks), err)
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
