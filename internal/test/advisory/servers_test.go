package advisory_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// drivers are the names under which database/sql knows them.
var drivers = []string{"postgres", "pgx"}

// on runs a test with each driver.
func on(t *testing.T, test func(t *testing.T, driver string)) {
	t.Parallel()
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, driver)
		})
	}
}

func serverURL(t testing.TB) string {
	t.Helper()
	const env = "LEASEHOLD_TEST_POSTGRES_URL"
	u := os.Getenv(env)
	if u == "" {
		t.Fatal("no server: run make test, or set " + env)
	}
	return u
}

// open returns a pool, closed when t ends.
func open(t testing.TB, driver string) *sql.DB {
	t.Helper()
	return openURL(t, driver, serverURL(t))
}

// openAt returns a pool by way of an address.
func openAt(t testing.TB, driver, address string) *sql.DB {
	t.Helper()
	u, err := url.Parse(serverURL(t))
	must(t, err)
	u.Host = address
	return openURL(t, driver, u.String())
}

func openURL(t testing.TB, driver, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, url)
	must(t, err)
	db.SetMaxIdleConns(4)
	t.Cleanup(func() { go db.Close() }) // a test may leave a call behind that hangs
	return db
}

var keys atomic.Int64

// newKey returns a key that no other test uses.
func newKey() int64 { return time.Now().UnixNano()<<8 + keys.Add(1) }

// newLock returns a lock, closed when t ends.
func newLock(t testing.TB, db *sql.DB, key int64) *pglock.Lock {
	t.Helper()
	l, err := pglock.New(context.Background(), key, db)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// other is another user of the server's advisory locks: one session, and plain SQL.
type other struct {
	t    testing.TB
	conn *sql.Conn
	key  int64
}

func newOther(t testing.TB, key int64) *other {
	t.Helper()
	conn, err := open(t, "postgres").Conn(context.Background())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &other{t, conn, key}
}

// say calls a function with the key, and returns its answer.
func (o *other) say(function string) bool {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var answer string
	must(o.t, o.conn.QueryRowContext(ctx, "SELECT "+function+"($1)::text", o.key).Scan(&answer))
	return answer == "true" || answer == ""
}

// free reports whether the session can have the lock alone, and leaves it free.
func (o *other) free() bool {
	o.t.Helper()
	return o.say("pg_try_advisory_lock") && o.say("pg_advisory_unlock")
}

// sharable reports whether the session can have the lock shared, and leaves it free.
func (o *other) sharable() bool {
	o.t.Helper()
	return o.say("pg_try_advisory_lock_shared") && o.say("pg_advisory_unlock_shared")
}

// value returns the one value that a query yields.
func value[T any](t testing.TB, db *sql.DB, text string, args ...any) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must(t, db.QueryRowContext(ctx, text, args...).Scan(&v))
	return v
}

// locks returns how many advisory locks there are of a key, granted or waited for.
func locks(t testing.TB, db *sql.DB, key int64, granted bool) int {
	t.Helper()
	return value[int](t, db, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
		AND (classid::bigint << 32 | objid::bigint) = $1 AND granted = $2`, key, granted)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func yes(t testing.TB, what string, answer bool, err error) {
	t.Helper()
	if err != nil || !answer {
		t.Fatalf("%s: %v, %v", what, answer, err)
	}
}

// patience is for what takes no time, on a machine that has other things to do.
const patience = 30 * time.Second

// await polls until done, for so long and so often that only a fault exceeds it.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	start := time.Now()
	for polls := 0; !done(); polls++ {
		if polls > 500 && time.Since(start) > patience {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
