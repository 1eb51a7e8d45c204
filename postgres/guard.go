package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// Guard checks, inside the caller's transaction, that lock is held, and keeps
// the lock from passing to anybody else until the transaction ends. If the
// transaction commits after Guard returned nil, nobody else held the lock at any
// instant between the two: a holder that was paused for longer than its lease
// cannot commit over its successor's work. The transaction must be on the
// database that the lock is kept in.
//
// What it does not do: it keeps others out, not another transaction of the same
// holder; after a commit whose outcome is unknown, find out before you go on. ROLLBACK
// TO a savepoint made before the guard drops it, so guard again. It does not end a transaction that is forgotten: the lock
// stays blocked with it, so set idle_in_transaction_session_timeout. It does not
// keep others from queueing, nor an operator from marking the lock as revoked,
// nor does it block other names.
//
// leasehold.ErrNotHeld: the lock is not held (any more), or was revoked; the
// caller rolls back. leasehold.ErrUnsupported: it is a permit, beside which others
// may write, so there is nothing that a guard could make exact. A serialization failure (SQLSTATE 40001, with REPEATABLE
// READ and SERIALIZABLE): the lock has changed hands since the transaction's
// snapshot; the caller rolls back. At these levels, a revocation after the
// snapshot is not seen. After every error the transaction should be rolled back.
//
// It waits while the holder is being changed, for the time of one commit, bounded
// by ctx and by the transaction's own lock_timeout. One round trip. The role needs
// SELECT and UPDATE on the lock table and SELECT on the lease table. Guard early:
// the sooner in the transaction, the less work is lost.
//
// Locks of a SessionStore can be guarded too, and are exact then: in two round trips, and
// without a privilege. A guard of one who shares such a lock keeps readers of other
// processes from joining while it lasts. Revocations after the guard are not seen.
func Guard(ctx context.Context, tx pgx.Tx, lock *leasehold.Lock) error {
	return guardHold(ctx, tx, lock.Hold())
}

// GuardTx is Guard for a transaction of database/sql, on any PostgreSQL driver.
// Two round trips.
func GuardTx(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock) error {
	return guardHoldTx(ctx, tx, lock.Hold())
}

func guardHold(ctx context.Context, tx pgx.Tx, hold driver.Hold) error {
	if c := sessionConn(hold.Conn); c != nil {
		return guardError(hold, guardSession(hold, c, func(sql string, args ...any) scanner { return tx.QueryRow(ctx, sql, args...) }))
	}
	texts, err := guardStatements(hold)
	if err != nil {
		return err
	}
	batch := new(pgx.Batch)
	batch.Queue(texts.guardRow, hold.Name, hold.Lease.String(), hold.Ticket.String())
	batch.Queue(texts.guardLease, hold.Lease.String())
	results := tx.SendBatch(ctx, batch)
	verdict := readGuard(results.QueryRow(), results.QueryRow)
	return guardError(hold, errors.Join(verdict, results.Close()))
}

func guardHoldTx(ctx context.Context, tx *sql.Tx, hold driver.Hold) error {
	if c := sessionConn(hold.Conn); c != nil {
		return guardError(hold, guardSession(hold, c, func(sql string, args ...any) scanner { return tx.QueryRowContext(ctx, sql, args...) }))
	}
	texts, err := guardStatements(hold)
	if err != nil {
		return err
	}
	row := tx.QueryRowContext(ctx, texts.guardRow, hold.Name, hold.Lease.String(), hold.Ticket.String())
	return guardError(hold, readGuard(row, func() *sql.Row {
		return tx.QueryRowContext(ctx, texts.guardLease, hold.Lease.String())
	}))
}

func guardStatements(hold driver.Hold) (*statements, error) {
	c, ok := hold.Conn.(*conn)
	switch {
	case !ok:
		return nil, fmt.Errorf("leasehold: guard %q: %w: the lock is not of a postgres store", hold.Name, leasehold.ErrUnsupported)
	case hold.Terms.Mode == driver.Permit:
		return nil, fmt.Errorf("leasehold: guard %q: %w: it is a permit", hold.Name, leasehold.ErrUnsupported)
	}
	return c.told, nil
}

// scanner is a row of pgx or of database/sql.
type scanner interface{ Scan(targets ...any) error }

// readGuard reads the replies to guard_row.sql and guard_lease.sql. The second
// statement begins when the first has the row lock.
func readGuard[R scanner](row scanner, lease func() R) error {
	var by, reason *string
	if err := row.Scan(&by, &reason); err != nil {
		return err
	}
	var alive bool
	if err := lease().Scan(&alive); err != nil {
		return err
	}
	switch {
	case by != nil:
		return fmt.Errorf("%w: revoked by %s: %s", leasehold.ErrNotHeld, *by, *reason)
	case !alive:
		return fmt.Errorf("%w: its lease has ended", leasehold.ErrNotHeld)
	}
	return nil
}

func guardError(hold driver.Hold, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, sql.ErrNoRows):
		err = leasehold.ErrNotHeld
	case hasCode(err, codeSerialization):
		err = fmt.Errorf("the lock has changed since the transaction's snapshot: %w", err)
	}
	return fmt.Errorf("leasehold: guard %q: %w", hold.Name, err)
}
