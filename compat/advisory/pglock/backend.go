package pglock

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

// backend is the server process of a connection.
type backend struct {
	pid   int64
	start string // a process id is used again
}

const (
	// cancelTimeout bounds one attempt to cancel a statement, and roomTimeout the wait for a second connection
	// in a pool that has become full.
	cancelTimeout = 2 * time.Second
	roomTimeout   = 5 * time.Second

	codeProtocol = "08P01"

	identitySQL = `SELECT pid, extract(epoch FROM backend_start)::text FROM pg_catalog.pg_stat_activity
		WHERE pid = pg_catalog.pg_backend_pid()`
	pidSQL    = `SELECT pg_catalog.pg_backend_pid()`
	cancelSQL = `SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
		WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2`
)

// identify finds out which process serves conn, and refuses a pooler.
func identify(ctx context.Context, db *sql.DB, conn *sql.Conn) (at backend, err error) {
	err = conn.QueryRowContext(ctx, identitySQL).Scan(&at.pid, &at.start)
	if err == nil {
		var pooled bool
		if pooled, err = sharesProcesses(ctx, db, conn, at.pid); err == nil && !pooled {
			return at, nil
		}
	}
	// 26000 and 42P05: a statement that was prepared is not there, or is there already.
	if state := reply.State(err); err == nil || state == "26000" || state == "42P05" {
		return at, ErrPooler
	}
	return at, fmt.Errorf("pglock: looking at the connection: %w", err)
}

// sharesProcesses tells a connection that has a server process to itself from one that a pooler lends
// processes to. While a second connection is in a transaction it has a process to itself in any
// case. A pooler that lends the process given back last gives it the one of conn; one that lends them
// in turn gives conn another one, then or later.
func sharesProcesses(ctx context.Context, db *sql.DB, conn *sql.Conn, pid int64) (bool, error) {
	other, err := inTransaction(ctx, db, func() (bool, error) { return moved(ctx, conn, pid, 1) })
	if err != nil || other.moved || other.pid == pid {
		return err == nil, err
	}
	return moved(ctx, conn, pid, 3)
}

// seen is what was seen while a second connection was in a transaction.
type seen struct {
	pid   int64 // its process, or 0
	moved bool
}

// inTransaction asks while a second connection is in a transaction. Where there is no room for that one in the
// pool, it only asks.
func inTransaction(ctx context.Context, db *sql.DB, ask func() (bool, error)) (s seen, err error) {
	life, cancel := context.WithCancel(ctx)
	defer cancel() // rolls back
	tx, err := begin(life, cancel, db)
	switch {
	case reply.State(err) == codeProtocol: // a pooler that knows no transactions
		return seen{moved: true}, nil
	case err != nil: // no room in the pool, or at the server
		s.moved, err = ask()
		return s, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := tx.QueryRowContext(ctx, pidSQL).Scan(&s.pid); err != nil {
		return s, err
	}
	s.moved, err = ask()
	return s, err
}

// begin begins a transaction on another connection, if the pool and the server have room for one.
func begin(life context.Context, cancel func(), db *sql.DB) (*sql.Tx, error) {
	stats := db.Stats()
	if stats.MaxOpenConnections > 0 && stats.InUse >= stats.MaxOpenConnections {
		return nil, errFull
	}
	defer time.AfterFunc(roomTimeout, cancel).Stop()
	return db.BeginTx(life, nil)
}

// moved asks conn several times which process serves it, and reports whether it ever is another one.
func moved(ctx context.Context, conn *sql.Conn, pid int64, times int) (bool, error) {
	for range times {
		var now int64
		if err := conn.QueryRowContext(ctx, pidSQL).Scan(&now); err != nil || now != pid {
			return err == nil, err
		}
	}
	return false, nil
}

// cancel ends what the process is at, as if the user wished it; its session goes on. It may fail: then it
// is called again.
func (b backend) cancel(ctx context.Context, db *sql.DB) {
	ctx, done := context.WithTimeout(ctx, cancelTimeout)
	defer done()
	_, _ = db.ExecContext(ctx, cancelSQL, b.pid, b.start)
}

// discard gives the connection back as one that must not be used again: its pool closes it.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}
