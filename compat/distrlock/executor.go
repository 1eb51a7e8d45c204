package distrlock

import (
	"context"
	"database/sql"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

// SQLExecutor runs statements: a *sql.DB, a *sql.Tx, a *sql.Conn, or what wraps one.
// If it has QueryContext too, as those have, a failed Acquire can tell that the row is missing.
type SQLExecutor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// exec runs a statement and returns the number of rows it changed. On a *sql.DB it returns when
// ctx ends, also if the driver does not.
func exec(ctx context.Context, executor SQLExecutor, s statement, c call) (int64, error) {
	return bound(ctx, executor, func() (int64, error) { return send(ctx, executor, s, c) }, nil)
}

func send(ctx context.Context, executor SQLExecutor, s statement, c call) (int64, error) {
	result, err := executor.ExecContext(ctx, s.text, s.args(c)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// count runs a query and returns its number of rows.
func count(ctx context.Context, executor SQLExecutor, with queryer, s statement, c call) (int64, error) {
	return bound(ctx, executor, func() (n int64, err error) {
		rows, err := with.QueryContext(ctx, s.text, s.args(c)...)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	}, nil)
}

// bound waits for f, and on a *sql.DB no longer than ctx lasts: drivers may not return from
// a network that hangs. What else there is has one connection, which a call left alone would
// share with the next one. late gets the reply that came after ctx ended.
func bound(ctx context.Context, executor SQLExecutor, f func() (int64, error), late func(int64, error)) (int64, error) {
	if _, ok := executor.(*sql.DB); !ok {
		return f()
	}
	return reply.Await(ctx, f, late)
}
