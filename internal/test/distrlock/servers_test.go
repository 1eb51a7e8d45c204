package distrlock_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

// crowdTime is how long the mixed crowds run.
var crowdTime = flag.Duration("crowd", 5*time.Second, "how long the mixed crowds run")

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait more than they work
		panic(err)
	}
	_ = mysql.SetLogger(quiet{})
	os.Exit(m.Run())
}

// quiet is a logger for go-sql-driver, which writes to standard error what it also returns.
type quiet struct{}

func (quiet) Print(...any) {}

// drivers are the ways to reach a database, by the name of the dialect.
var drivers = []distrlock.Dialect{distrlock.DialectPostgres, distrlock.DialectPgx, distrlock.DialectMySQL}

func isMySQL(d distrlock.Dialect) bool { return d == distrlock.DialectMySQL }

func serverURL(t testing.TB, d distrlock.Dialect) string {
	t.Helper()
	env := "LEASEHOLD_TEST_POSTGRES_URL"
	if isMySQL(d) {
		env = "LEASEHOLD_TEST_MYSQL_URL"
	}
	u := os.Getenv(env)
	if u == "" {
		t.Fatal("no server: run make test, or set " + env)
	}
	return u
}

// place is a schema of PostgreSQL or a database of MySQL of the test's own.
type place struct {
	t       testing.TB
	dialect distrlock.Dialect
	name    string
	db      *sql.DB       // of the client under test
	user    *url.Userinfo // nil: the server's owner
}

var places atomic.Int64

// newPlace makes a place without a table.
func newPlace(t testing.TB, d distrlock.Dialect) *place {
	t.Helper()
	p := &place{t: t, dialect: d, name: fmt.Sprintf("distrlock_%d_%d", os.Getpid(), places.Add(1))}
	word, drop := "SCHEMA ", " CASCADE"
	if isMySQL(d) {
		word, drop = "DATABASE ", ""
	}
	admin := (&place{t: t, dialect: d}).open("")
	run(t, admin, "CREATE "+word+p.name)
	t.Cleanup(func() { run(t, admin, "DROP "+word+p.name+drop) })
	p.db = p.open("")
	return p
}

// newTable makes a place with the default table in it.
func newTable(t testing.TB, d distrlock.Dialect) *place {
	t.Helper()
	p := newPlace(t, d)
	run(t, p.db, p.locks().CreateTableSQL())
	return p
}

// open returns another pool. zone is the time zone of its sessions, or empty.
func (p *place) open(zone string) *sql.DB {
	p.t.Helper()
	return p.openAt("", zone)
}

// openAt is open by way of an address, if that is not empty.
func (p *place) openAt(address, zone string) *sql.DB {
	p.t.Helper()
	return p.connect(address, zone, "")
}

// openWith is open with a setting of the driver's, as in a URL.
func (p *place) openWith(setting string) *sql.DB {
	p.t.Helper()
	return p.connect("", "", setting)
}

// openAs is openAt for another user.
func (p *place) openAs(user, password, address string) *sql.DB {
	p.t.Helper()
	as := *p
	as.user = url.UserPassword(user, password)
	return as.openAt(address, "")
}

func (p *place) connect(address, zone, setting string) *sql.DB {
	p.t.Helper()
	u, err := url.Parse(serverURL(p.t, p.dialect))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.user != nil {
		u.User = p.user
	}
	if address != "" {
		u.Host = address
	}
	var db *sql.DB
	switch p.dialect {
	case distrlock.DialectMySQL:
		cfg := mysql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, p.name
		cfg.Passwd, _ = u.User.Password()
		if zone != "" {
			cfg.Params = map[string]string{"time_zone": "'" + zone + "'"}
		}
		source := cfg.FormatDSN()
		if setting != "" {
			source += "?" + setting
		}
		db, err = sql.Open("mysql", source)
	default:
		query := u.Query()
		if p.name != "" {
			query.Set("search_path", p.name)
		}
		if zone != "" {
			query.Set("timezone", zone)
		}
		u.RawQuery = query.Encode()
		if setting != "" {
			u.RawQuery += "&" + setting
		}
		db, err = sql.Open(string(p.dialect), u.String())
	}
	if err != nil {
		p.t.Fatal(err)
	}
	db.SetMaxIdleConns(8)
	p.t.Cleanup(func() { go db.Close() }) // a test may leave a call behind that hangs
	return db
}

func (p *place) locks() *distrlock.DBManager {
	p.t.Helper()
	m, err := distrlock.NewDBManager(p.dialect)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// lock returns the lock of a key, which has a row now.
func (p *place) lock(key string) *distrlock.DBLock {
	p.t.Helper()
	l, err := p.locks().NewLock(p.t.Context(), p.db, key)
	if err != nil {
		p.t.Fatal(err)
	}
	return &l
}

// free reports whether somebody who tries now gets the lock of key, and leaves it free.
func (p *place) free(key string) bool {
	p.t.Helper()
	l := p.lock(key)
	err := l.Acquire(p.t.Context(), p.db, time.Minute)
	switch err {
	case nil:
		must(p.t, l.Release(p.t.Context(), p.db))
	case distrlock.ErrLockAlreadyAcquired:
	default:
		p.t.Fatal(err)
	}
	return err == nil
}

// on runs a test with each driver, or with those given.
func on(t *testing.T, test func(t *testing.T, d distrlock.Dialect), only ...distrlock.Dialect) {
	t.Parallel()
	if only == nil {
		only = drivers
	}
	for _, d := range only {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

func run(t testing.TB, db *sql.DB, text string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, text, args...); err != nil {
		t.Fatalf("%s: %v", strings.Fields(text)[0], err)
	}
}

// value returns the one value that a query yields.
func value[T any](t testing.TB, db *sql.DB, text string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), text, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
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
