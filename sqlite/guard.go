package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// Guard makes tx, a transaction of the caller's own on the same database file,
// fail to commit unless lock is held until it has committed. Call it before
// anything else in tx: what the transaction writes is then exact, whatever
// pauses the process or its clock may have had.
//
// It does not outlive the transaction, nor a ROLLBACK TO a savepoint made
// before it. It does not cover other files attached to the same connection.
//
// On success tx has the file's write lock and the lock is held, alone or shared: nobody
// can take it over or release it before tx ends. leasehold.ErrNotHeld, with the lock's
// name: it is not held any more, or was revoked. leasehold.ErrUnsupported: it is a permit;
// others may write at the same time, so there is nothing that a guard could make
// exact. Any other error: it is not known.
// After an error roll tx back. SQLite's "database is locked" is one of them: another
// writer was at work for longer than the busy timeout of the caller's connection,
// or tx had read before and the file was written to since.
//
// SQLite has one writer per file: until tx ends, every acquisition and release of
// everybody on this file waits, and gives up after a tenth of its TTL to try again.
// So keep guarded transactions short. Renewals do not wait.
//
// It costs two statements.
func Guard(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock) error {
	err := guard(ctx, tx, lock.Hold())
	if errors.Is(err, driver.ErrNotHeld) {
		err = leasehold.ErrNotHeld
	}
	if err != nil {
		return fmt.Errorf("leasehold: guard of %q: %w", lock.Name(), err)
	}
	return nil
}

// guard is Guard without the lock's wrapping. It writes the row as it is, because
// only a write takes the write lock at once and fails on a snapshot that is old.
func guard(ctx context.Context, tx *sql.Tx, hold driver.Hold) error {
	c, ok := hold.Conn.(*conn)
	if !ok {
		return errors.New("the lock is not held in an SQLite database")
	}
	if err := c.sameDatabase(ctx, tx); err != nil {
		return err
	}
	done, err := tx.ExecContext(ctx, `
		UPDATE main.leasehold_lock SET fence = fence
		WHERE name = ?1
			AND (holder_lease = ?2 AND holder_ticket = ?3 AND mark_at IS NULL
				OR crowd IS NOT NULL AND crowd ->> '$.limit' IS NULL AND EXISTS (
					SELECT 1 FROM json_each(crowd, '$.members') AS m
					WHERE m.value ->> 'lease' = ?4 AND m.value ->> 'ticket' = ?5 AND m.value ->> 'mark' IS NULL))
			AND EXISTS (SELECT 1 FROM main.leasehold_lease WHERE id = ?2)`,
		[]byte(hold.Name), hold.Lease[:], hold.Ticket[:], hold.Lease.String(), hold.Ticket.String())
	if err != nil {
		return err
	}
	rows, err := done.RowsAffected()
	if err == nil && rows != 1 {
		err = unguarded(ctx, tx, hold)
	}
	return err
}

// unguarded returns why nothing was there to be guarded.
func unguarded(ctx context.Context, tx *sql.Tx, hold driver.Hold) error {
	var permit bool
	err := tx.QueryRowContext(ctx, `
		SELECT count(*) FROM main.leasehold_lock
		WHERE name = ?1 AND crowd ->> '$.limit' > 0 AND instr(crowd, ?2) > 0`,
		[]byte(hold.Name), hold.Ticket.String()).Scan(&permit)
	switch {
	case err != nil:
		return err
	case permit:
		return driver.ErrUnsupported
	default:
		return driver.ErrNotHeld
	}
}

// sameDatabase refuses a transaction whose main database is another file.
func (c *conn) sameDatabase(ctx context.Context, tx *sql.Tx) error {
	var seq int
	var schema, path string
	if err := tx.QueryRowContext(ctx, `PRAGMA database_list`).Scan(&seq, &schema, &path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil || !os.SameFile(info, c.file) {
		return fmt.Errorf("the transaction is on another file than the lock, %s", c.path)
	}
	return nil
}
