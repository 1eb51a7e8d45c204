package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// lanes is how many statements of a client may be in progress at once, renewals not
// counted: the pool is the user's, and needed for other things.
const lanes = 8

// mostStuck is how many calls of the driver may hang, given up by us, before no more are
// made.
const mostStuck = 32

// leastPatience is how long a call of the driver may go on that was given up.
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
	type result struct {
		rows []T
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer t.stuck.Add(-1)
		// Where connecting takes longer than one call may, the next call finds the
		// connection made.
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(t.cfg.Lease, leastPatience))
		defer cancel()
		rows, err := run(call, t.db, statement, scan, args)
		done <- result{rows, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && r.err.Error() == closedPool {
			t.poolClosed.Store(true)
		}
		return r.rows, classify(r.err)
	case <-ctx.Done():
		return nil, fmt.Errorf("the database did not answer: %w", ctx.Err())
	}
}

func run[T any](ctx context.Context, db *sql.DB, statement string, scan func(*sql.Rows) (T, error), args []any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, statement, args...)
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

// State returns the SQLSTATE of an error of the server, or "".
func State(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// refused reports whether the server has answered that the statement failed, and so did
// nothing. One that shuts down may say so of a statement that was committed.
func refused(err error) bool {
	state := State(err)
	return len(state) == 5 && state[:2] != "08" && state[:3] != "57P"
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
	state := State(err)
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
