package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"time"
)

const (
	readWrite = "BEGIN IMMEDIATE" // takes the file's write lock before anything is read
	readOnly  = "BEGIN"
)

// tx is a transaction, with the instant at which it began: for a writer the
// instant at which it had the file to itself.
type tx struct {
	*lane
	now time.Time
}

// now returns this instant as the file stores it.
func now() time.Time { return time.UnixMicro(time.Now().UnixMicro()) }

// inTx runs f in a transaction and commits it unless f fails. After an error
// nothing of it is left.
func inTx[T any](l *lane, f func(*tx) (T, error)) (T, error) {
	var zero T
	if err := l.exec(l.begin); err != nil {
		return zero, err
	}
	value, err := f(&tx{l, now()})
	if err == nil {
		err = l.exec("COMMIT")
	}
	if err != nil {
		l.rollback()
		return zero, err
	}
	return value, nil
}

// rollback ends a failed transaction. Where SQLite has done so already, or cannot,
// the connection is not used again, which ends it too.
func (l *lane) rollback() {
	if err := l.exec("ROLLBACK"); err != nil {
		l.hangUp()
	}
}

// hangUp closes the connection; the next operation makes another.
func (l *lane) hangUp() {
	for _, stmt := range l.stmts {
		stmt.Close()
	}
	if l.conn != nil {
		_ = l.conn.Raw(func(any) error { return sqldriver.ErrBadConn }) // or it would be used again
		l.conn.Close()
	}
	l.conn, l.stmts = nil, nil
}

// close closes the connection for good. No operation runs.
func (l *lane) close() error {
	l.hangUp()
	return l.db.Close()
}

// connect makes a connection if there is none. Statements are never interrupted,
// because an interrupted COMMIT has an unknown outcome; so no context is given to them.
func (l *lane) connect() error {
	if l.conn != nil {
		return nil
	}
	conn, err := l.db.Conn(context.Background())
	if err == nil {
		l.conn, l.stmts = conn, map[string]*sql.Stmt{}
	}
	return err
}

// prepare returns a statement, compiled once for the connection.
func (l *lane) prepare(query string) (*sql.Stmt, error) {
	if err := l.connect(); err != nil {
		return nil, err
	}
	if stmt, ok := l.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := l.conn.PrepareContext(context.Background(), query)
	if err == nil {
		l.stmts[query] = stmt
	}
	return stmt, err
}

func (l *lane) exec(query string, args ...any) error {
	_, err := l.count(query, args...)
	return err
}

// count returns how many rows a statement has written.
func (l *lane) count(query string, args ...any) (int64, error) {
	stmt, err := l.prepare(query)
	if err != nil {
		return 0, err
	}
	done, err := stmt.Exec(args...)
	if err != nil {
		return 0, err
	}
	return done.RowsAffected()
}

func (l *lane) query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := l.prepare(query)
	if err != nil {
		return nil, err
	}
	return stmt.Query(args...)
}

// row returns the one row of a query, or what its Scan is to return.
func (l *lane) row(query string, args ...any) scanner {
	stmt, err := l.prepare(query)
	if err != nil {
		return failed{err}
	}
	return stmt.QueryRow(args...)
}

type scanner interface{ Scan(dest ...any) error }

type failed struct{ err error }

func (f failed) Scan(...any) error { return f.err }

// write runs f with the file's write lock.
func write[T any](ctx context.Context, c *conn, f func(*tx) (T, error)) (T, error) {
	return do(ctx, c, c.writer, func() (T, error) { return inTx(c.writer, f) })
}

// read runs f on one snapshot.
func read[T any](ctx context.Context, c *conn, l *lane, f func(*tx) (T, error)) (T, error) {
	return do(ctx, c, l, func() (T, error) { return inTx(l, f) })
}
