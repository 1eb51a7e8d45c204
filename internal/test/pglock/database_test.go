package pglock_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// drivers are the names under which database/sql knows them.
var drivers = []string{"postgres", "pgx"}

// database is a schema of a test's own, with the table, for one driver.
type database struct {
	t      testing.TB
	driver string
	url    *url.URL
	*sql.DB
}

// each runs the test with each driver.
func each(t *testing.T, test func(t *testing.T, db *database)) {
	t.Parallel()
	for _, name := range drivers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newDatabase(t, name))
		})
	}
}

// newDatabase returns a schema with the table.
func newDatabase(t testing.TB, driver string) *database {
	t.Helper()
	db := emptyDatabase(t, driver)
	var unavailable *pglock.UnavailableError
	err := db.client().TryCreateTable()
	for range 3 { // a machine at work may not even get a connection
		if errors.As(err, &unavailable) {
			err = db.client().TryCreateTable()
		}
	}
	must(t, err)
	return db
}

func emptyDatabase(t testing.TB, driver string) *database {
	t.Helper()
	text := os.Getenv("LEASEHOLD_TEST_POSTGRES_URL")
	if text == "" {
		t.Fatal("LEASEHOLD_TEST_POSTGRES_URL is not set: run the tests with bin/servers")
	}
	u, err := url.Parse(text)
	must(t, err)
	schema := "pglock_" + strings.ToLower(rand.Text())
	db := &database{t: t, driver: driver, url: u}
	admin := db.open(u)
	_, err = admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
	must(t, err)
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		must(t, err)
		must(t, admin.Close())
	})
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	db.DB = db.open(u)
	t.Cleanup(func() { must(t, db.DB.Close()) })
	return db
}

func (db *database) open(u *url.URL) *sql.DB {
	db.t.Helper()
	pool, err := sql.Open(db.driver, u.String())
	must(db.t, err)
	pool.SetMaxIdleConns(40)
	return pool
}

// pool returns another pool on the same schema.
func (db *database) pool() *sql.DB {
	db.t.Helper()
	pool := db.open(db.url)
	db.t.Cleanup(func() { pool.Close() })
	return pool
}

// The lease of most tests, which is short, and that of tests in which a loss would be
// a failure.
const (
	shortLease = 2 * time.Second
	longLease  = 6 * time.Second
)

// client returns a client with a long lease.
func (db *database) client(opts ...pglock.ClientOption) *pglock.Client {
	db.t.Helper()
	return newClient(db.t, db.DB, opts...)
}

func newClient(t testing.TB, db *sql.DB, opts ...pglock.ClientOption) *pglock.Client {
	t.Helper()
	opts = append([]pglock.ClientOption{
		pglock.WithLeaseDuration(longLease), pglock.WithHeartbeatFrequency(longLease / 4),
		pglock.WithLevelLogger(testLog{t, time.Now()}),
	}, opts...)
	c, err := pglock.New(db, opts...)
	must(t, err)
	return c
}

// brief makes a client have the short lease.
func brief(c []pglock.ClientOption) []pglock.ClientOption {
	return append(c, pglock.WithLeaseDuration(shortLease), pglock.WithHeartbeatFrequency(shortLease/4))
}

func acquire(t testing.TB, c *pglock.Client, name string, opts ...pglock.LockOption) *pglock.Lock {
	t.Helper()
	l, err := patiently(t, c, name, opts...)
	must(t, err)
	return l
}

// patiently acquires the lock. A machine at work may need longer than a short lease to
// make a connection.
func patiently(t testing.TB, c *pglock.Client, name string, opts ...pglock.LockOption) (*pglock.Lock, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		l, err := c.AcquireContext(ctx, name, opts...)
		var unavailable *pglock.UnavailableError
		if !errors.As(err, &unavailable) || ctx.Err() != nil {
			return l, err
		}
	}
}

// acquiring is acquire in the background. Nil: it failed.
func acquiring(t testing.TB, c *pglock.Client, name string) <-chan *pglock.Lock {
	got := make(chan *pglock.Lock, 1)
	go func() {
		l, err := patiently(t, c, name)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	return got
}

// rvn returns the record version number in the row, and whether there is a row.
func (db *database) rvn(name string) (rvn sql.NullInt64, exists bool) {
	db.t.Helper()
	err := db.QueryRow("SELECT record_version_number FROM locks WHERE name = $1", name).Scan(&rvn)
	if err == sql.ErrNoRows {
		return rvn, false
	}
	must(db.t, err)
	return rvn, true
}

// rows counts the rows.
func (db *database) rows() (n int) {
	db.t.Helper()
	must(db.t, db.QueryRow("SELECT count(*) FROM locks").Scan(&n))
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds, for so long and so often that only a fault
// exceeds it.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	start := time.Now()
	for polls := 0; !holds(); time.Sleep(2 * time.Millisecond) {
		if polls++; polls > 500 && time.Since(start) > 20*time.Second {
			t.Fatalf("it has not happened in %v: %s", time.Since(start), what)
		}
	}
}

// testLog writes a client's log to the test's, while that runs.
type testLog struct {
	testing.TB
	start time.Time
}

func (l testLog) Debug(msg string, args ...any) { l.write(msg, args...) }
func (l testLog) Error(msg string, args ...any) { l.write(msg, args...) }

func (l testLog) write(msg string, args ...any) {
	if l.Context().Err() != nil {
		return
	}
	fmt.Fprintf(l.Output(), "%v: %s\n", time.Since(l.start), fmt.Sprintf(msg, args...))
}
