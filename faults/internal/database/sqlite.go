package database

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// liteDatabase has connections of its own for the guarded transactions.
type liteDatabase struct {
	path string
	db   *sql.DB
}

func openSQLite(path string) (Database, error) {
	u := url.URL{Scheme: "file", Path: path}
	db, err := sql.Open("sqlite", u.String()+"?_pragma=busy_timeout(1000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	return liteDatabase{path, db}, nil
}

func (d liteDatabase) Store() driver.Store { return sqlite.Open(d.path) }

func (d liteDatabase) Prepare(ctx context.Context, names []string) error {
	if err := sqlite.Open(d.path).Migrate(ctx); err != nil { // in WAL mode from the start
		return err
	}
	for _, table := range tables {
		if _, err := d.db.ExecContext(ctx, fmt.Sprintf(table, "")); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := d.db.ExecContext(ctx, `INSERT INTO counter VALUES (?, 0)`, name); err != nil {
			return err
		}
	}
	return nil
}

func (d liteDatabase) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return Aborted, err
	}
	if err := d.write(ctx, tx, lock, id, inside); err != nil {
		_ = tx.Rollback() // a connection that cannot is closed
		return Aborted, err
	}
	if err := tx.Commit(); err != nil {
		return Unknown, err
	}
	return Committed, nil
}

func (liteDatabase) write(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if err := sqlite.Guard(ctx, tx, lock); err != nil {
		return err
	}
	var value int64
	if err := tx.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = ?`, lock.Name()).Scan(&value); err != nil {
		return err
	}
	inside()
	if _, err := tx.ExecContext(ctx, `UPDATE counter SET value = ? WHERE name = ?`, value+1, lock.Name()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO ledger (id, name, value, fence) VALUES (?, ?, ?, ?)`,
		id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

// Look shows less than on PostgreSQL: a guard keeps all other writers of the file out.
func (d liteDatabase) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := sqlite.Guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	const read = `SELECT value FROM counter WHERE name = ?`
	if err := tx.QueryRowContext(ctx, read, lock.Name()).Scan(&first); err != nil {
		return 0, 0, err
	}
	between()
	err = tx.QueryRowContext(ctx, read, lock.Name()).Scan(&second)
	return first, second, err
}

func (d liteDatabase) Counters(ctx context.Context) (map[string]int64, error) {
	counters := map[string]int64{}
	var name string
	var value int64
	err := d.each(ctx, `SELECT name, value FROM counter`, []any{&name, &value}, func() { counters[name] = value })
	return counters, err
}

func (d liteDatabase) Ledger(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	var e Entry
	err := d.each(ctx, `SELECT id, name, value, fence FROM ledger`,
		[]any{&e.ID, &e.Name, &e.Value, &e.Fence}, func() { entries = append(entries, e) })
	return entries, err
}

func (d liteDatabase) Owners(ctx context.Context) ([]string, error) {
	var owners []string
	var owner string
	err := d.each(ctx, `SELECT owner FROM leasehold_lease`, []any{&owner}, func() { owners = append(owners, owner) })
	return owners, err
}

// each scans every row into the targets and calls f.
func (d liteDatabase) each(ctx context.Context, query string, targets []any, f func()) error {
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		f()
	}
	return rows.Err()
}

func (d liteDatabase) Close() error { return d.db.Close() }
