package postgres

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold"
)

// TxOption changes a lock of a transaction.
type TxOption func(*txLock)

// TxShared makes the lock one that any number of transactions and sessions may hold, if
// all hold it shared.
func TxShared() TxOption { return func(l *txLock) { l.shared = true } }

// TxNamespace sets the namespace that the name is hashed with; see
// SessionConfig.Namespace. Default DefaultNamespace.
func TxNamespace(namespace string) TxOption { return func(l *txLock) { l.namespace = namespace } }

// TxLock waits for the lock of name, and holds it until the caller's transaction ends, by
// commit or rollback: nothing can release it earlier, but ROLLBACK TO a savepoint made
// before it. tx is a pgx.Tx or a *sql.Tx; anything else is leasehold.ErrUnsupported. It
// works through any pooler.
//
// Locks of transactions exclude each other, and the locks of a SessionStore with the same
// namespace, and with Key(k) any other user of the server's advisory locks. A transaction
// may take a lock that it has again. There is no fence and none is needed: what the
// transaction does under the lock is undone if it does not commit.
//
// ctx, and the transaction's lock_timeout, bound the wait; after an error the
// transaction must be rolled back. (With pgx the end of ctx closes the connection.) Two
// transactions that take two locks in different orders wait for each other until the
// server ends one of them (SQLSTATE 40P01). The server keeps a queue: first come, first
// served among those who wait here, but clients of a SessionStore are not in it. One
// round trip.
func TxLock(ctx context.Context, tx any, name string, opts ...TxOption) error {
	l, err := newTxLock("lock", name, opts)
	if err != nil {
		return err
	}
	_, err = l.call(ctx, tx, `SELECT true FROM (SELECT pg_catalog.pg_advisory_xact_lock`)
	return err
}

// TryTxLock is TxLock for a lock that is free. It reports whether the lock is held now, and
// waits for nothing but the server.
func TryTxLock(ctx context.Context, tx any, name string, opts ...TxOption) (bool, error) {
	l, err := newTxLock("try", name, opts)
	if err != nil {
		return false, err
	}
	return l.call(ctx, tx, `SELECT r FROM (SELECT pg_catalog.pg_try_advisory_xact_lock`)
}

// txLock is one call of TxLock or TryTxLock.
type txLock struct {
	op, name  string
	namespace string
	shared    bool
}

func newTxLock(op, name string, opts []TxOption) (*txLock, error) {
	l := &txLock{op: op, name: name}
	for _, opt := range opts {
		opt(l)
	}
	if err := leasehold.CheckName(name); err != nil {
		return nil, fmt.Errorf("leasehold: %s in a transaction: %w", op, err)
	}
	return l, nil
}

// call runs the statement that begins like that.
func (l *txLock) call(ctx context.Context, tx any, statement string) (held bool, err error) {
	if l.shared {
		statement += "_shared"
	}
	statement += `($1::int8) AS r OFFSET 0) AS l`
	key := SessionKey(l.namespace, l.name)
	switch tx := tx.(type) {
	case pgx.Tx:
		err = tx.QueryRow(ctx, statement, key).Scan(&held)
	case *sql.Tx:
		err = tx.QueryRowContext(ctx, statement, key).Scan(&held)
	default:
		err = fmt.Errorf("%w: a transaction of type %T", leasehold.ErrUnsupported, tx)
	}
	if err != nil {
		return false, fmt.Errorf("leasehold: %s %q in a transaction: %w", l.op, l.name, err)
	}
	return held, nil
}
