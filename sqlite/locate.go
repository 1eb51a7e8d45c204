package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
)

// locateDB returns the path of the file that the caller's database has open,
// after checks that connections of our own to it are safe.
func locateDB(ctx context.Context, db *sql.DB) (string, error) {
	caller, err := describe(ctx, db)
	if err != nil {
		return "", fmt.Errorf("the database given: %w", classify(err))
	}
	own, err := ownLibrary(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case caller.file == "":
		err = errors.New("the database given is in memory: locks need a file")
	case caller.library != own:
		// Two copies of SQLite in one process drop each other's file locks.
		err = errors.New("the database given does not use the modernc.org/sqlite of this program")
	case caller.journal != "wal":
		err = fmt.Errorf("the database given has journal_mode=%s: renewals would wait behind writers; set it to wal first", caller.journal)
	case caller.locking != "normal":
		err = fmt.Errorf("the database given has locking_mode=%s, which shuts everybody else out", caller.locking)
	default:
		err = refuseNetwork(filepath.Dir(caller.file))
	}
	return caller.file, driver.Permanent(err)
}

// description is what a connection says about itself.
type description struct {
	file, journal, locking string
	library                string // identifies the copy of SQLite
}

func describe(ctx context.Context, db *sql.DB) (d description, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return d, err
	}
	defer conn.Close()
	var seq int
	var schema string
	return d, errors.Join(
		conn.QueryRowContext(ctx, `PRAGMA database_list`).Scan(&seq, &schema, &d.file), // main comes first
		conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&d.journal),
		conn.QueryRowContext(ctx, `PRAGMA locking_mode`).Scan(&d.locking),
		library(ctx, conn, &d.library),
	)
}

// library identifies the copy of SQLite by its source and how it was compiled.
// The type of the driver would not do: it may be wrapped for tracing.
func library(ctx context.Context, conn *sql.Conn, id *string) error {
	parts := make([]string, 1)
	if err := conn.QueryRowContext(ctx, `SELECT sqlite_source_id()`).Scan(&parts[0]); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, `PRAGMA compile_options`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var option string
		if err := rows.Scan(&option); err != nil {
			return err
		}
		parts = append(parts, option)
	}
	slices.Sort(parts)
	*id = strings.Join(parts, "\n")
	return rows.Err()
}

func ownLibrary(ctx context.Context) (string, error) {
	db, err := openDB(":memory:")
	if err != nil {
		return "", err
	}
	defer db.Close()
	d, err := describe(ctx, db)
	return d.library, err
}
