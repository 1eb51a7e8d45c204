package database

import (
	"context"
	"database/sql"
	"net/url"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// liteDatabase has connections of its own for the guarded transactions.
type liteDatabase struct {
	counters
	path string
}

func openSQLite(path string) (Database, error) {
	u := url.URL{Scheme: "file", Path: path}
	db, err := sql.Open("sqlite", u.String()+"?_pragma=busy_timeout(1000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	return liteDatabase{counters{db, sqlite.Guard, dialect{leases: "leasehold_lease"}}, path}, nil
}

func (d liteDatabase) Store() driver.Store { return sqlite.Open(d.path) }

func (d liteDatabase) Prepare(ctx context.Context, names []string) error {
	if err := sqlite.Open(d.path).Migrate(ctx); err != nil { // in WAL mode from the start
		return err
	}
	return d.make(ctx, names)
}
