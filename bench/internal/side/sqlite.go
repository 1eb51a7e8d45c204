package side

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver that ours uses too
)

// SQLiteFloor is the least that a cycle can cost which commits twice to an SQLite file, in
// the journal and synchronous mode that ours uses for a grant. Ours does not wait for the disk
// when it frees a lock, so it flushes once where this one does twice.
type SQLiteFloor struct {
	db     *sql.DB
	update *sql.Stmt
}

// OpenSQLiteFloor opens one connection to the file, and makes it.
func OpenSQLiteFloor(ctx context.Context, path string) (*SQLiteFloor, error) {
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	f := &SQLiteFloor{db: db}
	_, err = db.ExecContext(ctx, `CREATE TABLE floor (name TEXT PRIMARY KEY, n INTEGER NOT NULL); INSERT INTO floor VALUES ('name-0', 0)`)
	if err == nil {
		f.update, err = db.PrepareContext(ctx, `UPDATE floor SET n = n + 1 WHERE name = ?`)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return f, nil
}

// Cycle makes two updates, each of which commits on its own, and calls half between them.
func (f *SQLiteFloor) Cycle(ctx context.Context, i int, half func()) error {
	for n := range 2 {
		if n == 1 {
			half()
		}
		done, err := f.update.ExecContext(ctx, Name(i))
		if err != nil {
			return err
		}
		if rows, err := done.RowsAffected(); rows != 1 {
			return fmt.Errorf("%d rows were updated: %w", rows, err)
		}
	}
	return nil
}

// Close closes the connection.
func (f *SQLiteFloor) Close() error { return errors.Join(f.update.Close(), f.db.Close()) }
