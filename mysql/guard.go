package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// Guard checks, inside the caller's transaction, that lock is held, and keeps the lock from
// passing to anybody else until the transaction ends. If the transaction commits after
// Guard returned nil, nobody else held the lock at any instant between the two: a holder
// that was paused for longer than its lease cannot commit over its successor's work. The
// transaction must be on the server that the lock is kept on, at any isolation level.
//
// What it does not do: it keeps others out, not another transaction of the same holder;
// after a commit whose outcome is unknown, find out before you go on. It does not end a
// transaction that is forgotten: the lock stays blocked with it, so set
// idle_transaction_timeout (MariaDB) or wait_timeout. It does not keep others from
// queueing, nor an operator from marking the lock as revoked, nor does it block other
// names. At REPEATABLE READ and SERIALIZABLE, what the transaction read before Guard it read
// from an older snapshot: guard first, or read what matters again with FOR UPDATE.
//
// leasehold.ErrNotHeld: the lock is not held (any more), or was revoked; the caller rolls
// back. leasehold.ErrUnsupported: it is a permit, beside which others may write, so there is
// nothing that a guard could make exact. After every error the transaction should be rolled
// back: the server may have done so itself.
//
// It waits while the holder is being changed, for the time of one commit, bounded by ctx and
// by the transaction's own innodb_lock_wait_timeout. One round trip in the transaction, and
// two on the client's own connection. The user needs SELECT and UPDATE on the guard table.
// Guard early: the sooner in the transaction, the less work is lost. For a lock of a
// SessionStore it is two round trips in the transaction and one on the client's own
// connection, and the user needs SELECT, INSERT and UPDATE on the table of guards.
func Guard(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock) error {
	return guard(ctx, tx, lock.Hold())
}

func guard(ctx context.Context, tx *sql.Tx, hold driver.Hold) error {
	err := guardHold(ctx, tx, hold)
	if err != nil {
		return fmt.Errorf("leasehold: guard %q: %w", hold.Name, err)
	}
	return nil
}

// guardHold locks the guard's row to share. Whoever ends a grant locks it alone until the
// commit. So what is read once the lock is there, on a connection of ours that sees the
// newest commits whatever the transaction's snapshot is, cannot end before the transaction.
func guardHold(ctx context.Context, tx *sql.Tx, hold driver.Hold) error {
	if c := keyed.Of(hold.Conn); c != nil {
		return guardSession(ctx, tx, hold, c)
	}
	c, ok := hold.Conn.(*conn)
	switch {
	case !ok:
		return fmt.Errorf("%w: the lock is not of a mysql store", leasehold.ErrUnsupported)
	case hold.Terms.Mode == driver.Permit:
		return fmt.Errorf("%w: it is a permit", leasehold.ErrUnsupported)
	}
	var server string
	err := tx.QueryRowContext(ctx, "SELECT "+identity+" FROM "+c.t.guard+" WHERE name = "+bytesSQL(hold.Name)+" LOCK IN SHARE MODE").Scan(&server)
	if errors.Is(err, sql.ErrNoRows) {
		return leasehold.ErrNotHeld
	}
	if err != nil {
		return classify(err)
	}
	return c.verify(ctx, hold, server)
}

// verify reports, by an error, whether the attempt does not hold on this server.
func (c *conn) verify(ctx context.Context, hold driver.Hold, server string) error {
	var view driver.View
	err := c.on(ctx, c.command, func(ctx context.Context, s *session) (err error) {
		if s.server != server {
			return errors.New("the transaction is on another server than the lock")
		}
		view, err = c.view(ctx, s, driver.Query{Names: []string{hold.Name}})
		if err != nil && !s.broken {
			s.rollback(ctx)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, l := range view.Locks {
		grant, held := l.GrantOf(hold.Place())
		_, alive := view.Leases[hold.Lease]
		switch {
		case !held:
		case l.Limit > 0:
			return fmt.Errorf("%w: it is a permit", leasehold.ErrUnsupported)
		case grant.Mark != nil:
			return fmt.Errorf("%w: revoked by %s: %s", leasehold.ErrNotHeld, grant.Mark.By, grant.Mark.Reason)
		case !alive:
			return fmt.Errorf("%w: its lease has ended", leasehold.ErrNotHeld)
		default:
			return nil
		}
	}
	return leasehold.ErrNotHeld
}
