package postgres

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// Acquire implements driver.Conn.
func (c *conn) Acquire(ctx context.Context, attempt driver.Attempt, wait bool) (driver.Reply, error) {
	var reply driver.Reply
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		return s.granting(ctx, sql, func() (same bool, err error) {
			var alive bool
			var row lockRow
			err = s.QueryRow(ctx, sql.acquire, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), wait, s.system).
				Scan(append([]any{&reply.Epoch, &same, &alive}, row.targets()...)...)
			switch {
			case err != nil:
				return false, err
			case !alive:
				return true, driver.ErrLeaseGone
			case !same:
				return false, nil
			case row.name != nil:
				reply.Lock, err = row.lock()
				return true, err
			default:
				return true, s.whyNot(ctx, sql, attempt.Name)
			}
		})
	})
	if err != nil {
		return driver.Reply{}, err
	}
	return reply, nil
}

// whyNot returns the error for a name that could not be acquired: its row is damaged,
// or nothing is granted.
func (s *session) whyNot(ctx context.Context, sql *statements, name string) error {
	rows, err := s.read(ctx, sql, driver.Query{Names: []string{name}})
	if err == nil {
		_, err = collect(rows)
	}
	return cmp.Or(err, errNotGranting)
}

// Release implements driver.Conn. One round trip for a holder whose row nobody else
// has locked, two for a waiter and where others are at work on the row. Busy also stands for a row that another
// transaction kept locked for longer than the lock timeout.
func (c *conn) Release(ctx context.Context, attempt driver.Attempt) (driver.Outcome, error) {
	var outcome driver.Outcome
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		var silent bool
		err := s.QueryRow(ctx, sql.pass, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), s.system).Scan(&silent)
		if !errors.Is(err, pgx.ErrNoRows) {
			outcome = driver.Released
			return err
		}
		return s.granting(ctx, sql, func() (same bool, err error) {
			var holds, done bool
			err = s.QueryRow(ctx, sql.release, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), s.system).
				Scan(&holds, &done, &same, &silent)
			outcome = releaseOutcome(holds, done)
			if errors.Is(err, pgx.ErrNoRows) {
				outcome, err, done = driver.Absent, nil, true
			} else if hasCode(err, codeLockTimeout) {
				outcome, err, done = driver.Busy, nil, true
			}
			return done || same, err
		})
	})
	if err != nil {
		return driver.Absent, err
	}
	return outcome, nil
}

func releaseOutcome(holds, done bool) driver.Outcome {
	switch {
	case !done:
		return driver.Busy
	case holds:
		return driver.Released
	default:
		return driver.Cancelled
	}
}

// TakeOver implements driver.Conn.
func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	ids := make([][16]byte, len(gone))
	for i, id := range gone {
		ids[i] = id
	}
	return c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		return s.granting(ctx, sql, func() (same bool, err error) {
			var silent bool
			err = s.QueryRow(ctx, sql.takeOver, name, ids, int64(ended), s.system).Scan(&same, &silent)
			if errors.Is(err, pgx.ErrNoRows) || hasCode(err, codeLockTimeout) {
				return true, nil // nothing to take over, or somebody is at it
			}
			return same, err
		})
	})
}

// Revoke implements driver.Conn.
func (c *conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	return c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		var silent bool
		err := s.QueryRow(ctx, sql.revoke, name, int64(fence), mark.By, mark.Reason).Scan(&silent)
		if errors.Is(err, pgx.ErrNoRows) {
			return driver.ErrNotHeld
		}
		return err
	})
}
