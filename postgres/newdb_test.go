package postgres

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
)

// openDB returns a pool of database/sql, with the driver "pgx" or "postgres", which is
// lib/pq. It is closed when t ends.
func openDB(t testing.TB, name, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open(name, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// throughPooler returns the server's URL through a pooler in transaction mode that has that
// many connections to it.
func throughPooler(t testing.TB, size int) string {
	return pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Transaction, Size: size}).URL()
}

// guardBySQL guards in a transaction of database/sql.
func guardBySQL(db *sql.DB) func(t *testing.T, _ driver.Store, hold driver.Hold) func() {
	return func(t *testing.T, _ driver.Store, hold driver.Hold) func() {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := guardHoldTx(t.Context(), tx, hold); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
	}
}

// ways are those to the server on which no process is ours.
var ways = map[string]struct {
	store  func(t testing.TB, url, schema string) *Store
	pooler bool
}{
	"lib/pq":         {storeOfPQ, false},
	"pgx, pooler":    {storeOfPgx, true},
	"lib/pq, pooler": {storeOfPQ, true},
}

func storeOfPQ(t testing.TB, url, schema string) *Store {
	return NewDB(openDB(t, "postgres", url), Config{Schema: schema})
}

func storeOfPgx(t testing.TB, url, schema string) *Store {
	return New(poolAt(t, url), Config{Schema: schema})
}

// eachWay runs a test on every way. server is the server's URL, or that of a pooler in
// front of it.
func eachWay(t *testing.T, test func(t *testing.T, server string, store func(testing.TB, string, string) *Store)) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serverURL(t)
			if way.pooler {
				url = throughPooler(t, 10)
			}
			test(t, url, way.store)
		})
	}
}

var everyWay = flag.Bool("every-way", false, "TestConformanceOfOtherWays takes every way to the server, and not only the longest")

// The suite, for other ways to the server. The longest one, lib/pq and a pooler, has in it
// all that the others have.
func TestConformanceOfOtherWays(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long")
	}
	t.Parallel()
	type open = func(t *testing.T) (guards *sql.DB, store func(schema string) *Store)
	over := func(name string, url func(t *testing.T) string) open {
		return func(t *testing.T) (*sql.DB, func(string) *Store) {
			db := openDB(t, name, url(t))
			return db, func(schema string) *Store { return NewDB(db, Config{Schema: schema}) }
		}
	}
	direct := func(t *testing.T) string { return serverURL(t) }
	pooled := func(t *testing.T) string { return throughPooler(t, 20) }
	all := map[string]open{"lib/pq, pooler": over("postgres", pooled)}
	if *everyWay {
		all["lib/pq"], all["pgx"] = over("postgres", direct), over("pgx", direct)
		all["pgx, pooler"] = func(t *testing.T) (*sql.DB, func(string) *Store) {
			url := pooled(t)
			pool := poolAt(t, url)
			return openDB(t, "postgres", url), func(schema string) *Store { return New(pool, Config{Schema: schema}) }
		}
	}
	for name, open := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, store := open(t)
			drivertest.Run(t, drivertest.Harness{
				Open:    func(t *testing.T) driver.Store { return store(testSchema(t)) },
				TTL:     time.Second, // a large text takes its time through a pooler
				MaxTTL:  time.Minute,
				Listens: true,
				Starts:  true,
				Guard:   guardBySQL(db),
			})
		})
	}
}

// A pool that would be left without a connection is refused, and so is a driver that
// cannot do what is asked of it.
func TestNewDBRefuses(t *testing.T) {
	t.Parallel()
	db := openDB(t, "postgres", serverURL(t))
	db.SetMaxOpenConns(3)
	wantPermanent(t, connect(t, NewDB(db, Config{}), testTTL), "3 connections", "at least 4")
	wantPermanent(t, connect(t, NewDB(openDB(t, "postgres", serverURL(t)), Config{Schema: "Bad"}), testTTL), "schema")
	connector, err := pq.NewConnector(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	one := sql.OpenDB(oneAtATime{connector})
	t.Cleanup(func() { _ = one.Close() })
	wantPermanent(t, connect(t, NewDB(one, Config{}), testTTL), "several statements", "lib/pq")
}

// The caller's pool keeps what is not taken, and gets nothing back that we have changed.
func TestNewDBTakesThreeConnections(t *testing.T) {
	t.Parallel()
	db := openDB(t, "postgres", serverURL(t))
	db.SetMaxOpenConns(4)
	c := newClient(t, NewDB(db, Config{Schema: testSchema(t)}))
	hold := c.hold("a")
	if _, err := c.RenewLease(t.Context(), c.lease.ID); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() { done <- c.Listen(ctx, c.lease.ID, func(driver.Hint) { listening <- struct{}{} }) }()
	<-listening
	if n := db.Stats().InUse; n != 3 {
		t.Errorf("%d connections of the pool are in use", n)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	c.release(hold.Attempt)
	cancel()
	<-done
	_ = c.Close()
	await(t, "the pool has its connections back", func() bool { return db.Stats().InUse == 0 })
}

// A password that changes reaches our own connections through the caller's pool, though
// that has idle connections from before.
func TestNewDBWithChangingPassword(t *testing.T) {
	t.Parallel()
	role := testSchema(t) + "_role"
	admin := testPool(t)
	newRole(t, role)
	var password atomic.Value
	change := func(p string) {
		execSQL(t, admin, `ALTER ROLE `+role+` PASSWORD '`+p+`'`)
		password.Store(p)
	}
	change("first")
	cfg, err := pgx.ParseConfig(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User = role
	db := stdlib.OpenDB(*cfg, stdlib.OptionBeforeConnect(func(_ context.Context, cfg *pgx.ConnConfig) error {
		cfg.Password = password.Load().(string)
		return nil
	}))
	t.Cleanup(func() { _ = db.Close() })
	schema := testSchema(t)
	execSQL(t, admin, `CREATE SCHEMA `+schema+` AUTHORIZATION `+role)
	c := newClient(t, NewDB(db, Config{Schema: schema}))
	change("second")
	execSQL(t, admin, `SELECT pg_terminate_backend($1)`, backendPID(t, c))
	await(t, "a connection with the new password", func() bool {
		_, err := c.Read(t.Context(), driver.Query{Limit: 1})
		return err == nil
	})
}

// oneAtATime makes connections that take one statement at a time.
type oneAtATime struct{ sqldriver.Connector }

func (c oneAtATime) Connect(ctx context.Context) (sqldriver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	return struct{ sqldriver.Conn }{conn}, err // which can but prepare
}
