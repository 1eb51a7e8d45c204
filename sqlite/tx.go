package sqlite

import (
	"context"
	"database/sql"
	"time"
)

// tx is a transaction, with the instant at which it began: for a writer the
// instant at which it had the file to itself.
type tx struct {
	*sql.Tx
	now time.Time
}

// now returns this instant as the file stores it.
func now() time.Time { return time.UnixMicro(time.Now().UnixMicro()) }

// inTx runs f in a transaction and commits it unless f fails. A commit that fails
// has been rolled back.
func inTx[T any](db *sql.DB, f func(*tx) (T, error)) (T, error) {
	var zero T
	t, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return zero, err
	}
	value, err := f(&tx{t, now()})
	if err != nil {
		_ = t.Rollback() // the connection is clean either way, and err says more
		return zero, err
	}
	if err := t.Commit(); err != nil {
		return zero, err
	}
	return value, nil
}

// write runs f with the file's write lock, taken before anything is read.
func write[T any](ctx context.Context, c *conn, f func(*tx) (T, error)) (T, error) {
	return do(ctx, c, c.writer, func(context.Context) (T, error) { return inTx(c.writer.db, f) })
}

// read runs f on one snapshot.
func read[T any](ctx context.Context, c *conn, l *lane, f func(*tx) (T, error)) (T, error) {
	return do(ctx, c, l, func(context.Context) (T, error) { return inTx(l.db, f) })
}
