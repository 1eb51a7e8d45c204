package postgres

import (
	"database/sql"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"

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

// The suite, for every other way to the server.
func TestConformanceOfOtherWays(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{
		"postgres":        func(t testing.TB) string { return serverURL(t) },
		"pgx":             func(t testing.TB) string { return serverURL(t) },
		"pooler":          func(t testing.TB) string { return throughPooler(t, 10) },
		"pooler postgres": func(t testing.TB) string { return throughPooler(t, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url(t)
			var db *sql.DB
			switch name {
			case "pgx":
				db = openDB(t, "pgx", url)
			case "pooler":
				db = openDB(t, "pgx", url+"&default_query_exec_mode=exec")
			default:
				db = openDB(t, "postgres", url)
			}
			drivertest.Run(t, drivertest.Harness{
				Open: func(t *testing.T) driver.Store {
					if name == "pooler" {
						return New(poolAt(t, url), Config{Schema: testSchema(t)})
					}
					return NewDB(db, Config{Schema: testSchema(t)})
				},
				MaxTTL:  time.Minute,
				Listens: true,
				Starts:  true,
				Guard:   guardBySQL(db),
			})
		})
	}
}
