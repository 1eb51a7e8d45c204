package table

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

// lanes is how many statements of a client may be in progress at once, renewals not
// counted: the pool is the user's, and needed for other things, and keeps two idle
// connections by default.
const lanes = 4

// mostStuck is how many calls of the driver may hang, given up by us, before no more are
// made.
const mostStuck = 32

// leastPatience is how long connecting may take at least.
const leastPatience = 2 * time.Second

var errStuck = errors.New("too many calls of the database driver hang")

// query runs a statement and returns what scan makes of its rows, when the statement has
// been committed. It returns when ctx ends, whatever the driver does: some do not come
// back from a network that has fallen silent. The outcome is unknown then.
func query[T any](ctx context.Context, t *Table, statement string, scan func(*sql.Rows) (T, error), args ...any) ([]T, error) {
	if t.stuck.Add(1) > mostStuck {
		t.stuck.Add(-1)
		return nil, errStuck
	}
	tries := mostTries
	if statement == t.sql.take {
		tries = 1 // drivers say so of statements that were run, too, and it would find the row taken by itself
	}
	rows, err := reply.Await(ctx, func() ([]T, error) {
		defer t.stuck.Add(-1)
		return connected(ctx, t, tries, func(conn *sql.Conn) ([]T, error) { return run(ctx, conn, statement, scan, args) })
	}, nil)
	if err != nil && err.Error() == closedPool {
		t.poolClosed.Store(true)
	}
	return rows, classify(err)
}

// connected calls f with a connection of the pool, unless ctx ends first. Where connecting
// takes longer than one call may, it goes on, and the next call finds the connection made.
// As many connections are tried as tries says.
func connected[T any](ctx context.Context, t *Table, tries int, f func(*sql.Conn) (T, error)) (result T, err error) {
	dial, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience())
	defer cancel()
	for range tries {
		var conn *sql.Conn
		if conn, err = t.db.Conn(dial); err != nil {
			return result, err
		}
		if err = ctx.Err(); err == nil {
			result, err = f(conn)
		}
		_ = conn.Close() // it goes back to the pool
		if !errors.Is(err, sqldriver.ErrBadConn) {
			return result, err
		}
	}
	return result, err
}

// mostTries is how many connections are tried that the driver finds broken, before
// anything is sent as it says.
const mostTries = 3

// patience bounds what nobody else does.
func (t *Table) patience() time.Duration { return max(t.cfg.Lease, leastPatience) }

func run[T any](ctx context.Context, conn *sql.Conn, statement string, scan func(*sql.Rows) (T, error), args []any) (all []T, err error) {
	rows, err := conn.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	// A statement is committed after its last row: only now it is known to be.
	return all, errors.Join(rows.Err(), rows.Close())
}

// exec runs a statement without rows.
func (t *Table) exec(ctx context.Context, statement string, args ...any) error {
	nothing := func(*sql.Rows) (struct{}, error) { return struct{}{}, nil }
	_, err := query(ctx, t, statement, nothing, args...)
	return err
}

// enterLane waits for one of the lanes. The caller calls leave.
func (t *Table) enterLane(ctx context.Context) (leave func(), err error) {
	select {
	case t.lanes <- struct{}{}:
		return func() { <-t.lanes }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// closedPool is what database/sql says of a pool that its owner has closed. It has no
// other name.
const closedPool = "sql: database is closed"

// classify marks what no repetition cures: the server has refused the statement for what
// it is, or for who sends it.
func classify(err error) error {
	if err != nil && err.Error() == closedPool {
		return driver.Permanent(err)
	}
	state := reply.State(err)
	if len(state) != 5 {
		return err
	}
	switch state[:2] {
	case "22", "28", "3D", "3F", "42":
		return driver.Permanent(fmt.Errorf("the database refused: %w", err))
	default:
		return err
	}
}
