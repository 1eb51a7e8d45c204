// Package guard tests that a guard knows the locks of its own store from others.
package guard

import (
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	driversql "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/mysql"
	"github.com/leaseholdgo/leasehold/postgres"
)

// A lock of another kind of server is refused, whichever way it is held.
func TestGuardRefusesLocksOfOtherStores(t *testing.T) {
	pg, my := environ(t, "LEASEHOLD_TEST_POSTGRES_URL"), environ(t, "LEASEHOLD_TEST_MYSQL_URL")
	pool, err := pgxpool.New(t.Context(), pg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for what, c := range map[string]struct {
		store driver.Store
		begin func(*testing.T) *sql.Tx
		guard func(*testing.T, *sql.Tx, *leasehold.Lock) error
	}{
		"a lease of MySQL":        {mysql.Open(my, mysql.Config{}), inPostgres(pg), guardPostgres},
		"a session of MySQL":      {mysql.OpenSession(my, mysql.SessionConfig{}), inPostgres(pg), guardPostgres},
		"a lease of PostgreSQL":   {postgres.New(pool, postgres.Config{Schema: "foreign_guard"}), inMySQL(my), guardMySQL},
		"a session of PostgreSQL": {postgres.NewSession(pool, postgres.SessionConfig{Schema: "foreign_guard"}), inMySQL(my), guardMySQL},
	} {
		t.Run(what, func(t *testing.T) {
			client, err := leasehold.Open(t.Context(), c.store, leasehold.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			lock, err := client.Acquire(t.Context(), "foreign guard")
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := c.guard(t, c.begin(t), lock); !errors.Is(err, leasehold.ErrUnsupported) || !strings.Contains(err.Error(), "foreign guard") {
				t.Error(err)
			}
		})
	}
}

func guardPostgres(t *testing.T, tx *sql.Tx, lock *leasehold.Lock) error {
	return postgres.GuardTx(t.Context(), tx, lock)
}

func guardMySQL(t *testing.T, tx *sql.Tx, lock *leasehold.Lock) error {
	return mysql.Guard(t.Context(), tx, lock)
}

func inPostgres(address string) func(*testing.T) *sql.Tx {
	return func(t *testing.T) *sql.Tx { return begin(t, "pgx", address) }
}

func inMySQL(address string) func(*testing.T) *sql.Tx {
	return func(t *testing.T) *sql.Tx {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		cfg := driversql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		cfg.Passwd, _ = u.User.Password()
		return begin(t, "mysql", cfg.FormatDSN())
	}
}

func begin(t *testing.T, kind, name string) *sql.Tx {
	t.Helper()
	db, err := sql.Open(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = tx.Rollback(), db.Close() })
	return tx
}

func environ(t *testing.T, name string) string {
	value := os.Getenv(name)
	if value == "" {
		t.Fatal(name, " is not set: run the tests with bin/servers")
	}
	return value
}
