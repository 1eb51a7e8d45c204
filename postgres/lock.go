package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// Acquire implements driver.Conn.
func (c *conn) Acquire(ctx context.Context, attempt driver.Attempt, wait bool) (driver.Reply, error) {
	var reply driver.Reply
	if n := len(attempt.Name); n == 0 || n > maxName {
		return reply, driver.Permanent(fmt.Errorf("a name of %d bytes: want 1 to %d", n, maxName))
	}
	if attempt.Terms != (driver.Terms{}) {
		return reply, driver.Permanent(driver.ErrUnsupported)
	}
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		return c.granting(ctx, s, sql, func() (done bool, on standing, err error) {
			var alive bool
			var row lockRow
			err = s.QueryRow(ctx, sql.acquire, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), wait, s.system).
				Scan(append([]any{&reply.Epoch, &on.same, &on.granting, &alive}, row.targets()...)...)
			switch {
			case err != nil:
				return false, on, err
			case !alive:
				return true, on, driver.ErrLeaseGone
			case row.name != nil:
				reply.Lock, err = row.lock()
				return on.same, on, err
			case on.same && on.granting:
				return true, on, s.damage(ctx, sql, attempt.Name)
			default:
				return false, on, nil
			}
		})
	})
	if err != nil {
		return driver.Reply{}, err
	}
	return reply, nil
}

// damage returns the error for a row that an acquisition has left alone.
func (s *session) damage(ctx context.Context, sql *statements, name string) error {
	rows, err := s.read(ctx, sql, driver.Query{Names: []string{name}})
	if err == nil {
		_, err = collect(rows)
	}
	return cmp.Or(err, errChanging)
}

// Release implements driver.Conn. One round trip for a holder whose row nobody else
// has locked, two for a waiter and where others are at work on the row. Busy also stands for a row that another
// transaction kept locked for longer than the lock timeout.
func (c *conn) Release(ctx context.Context, attempt driver.Attempt) (driver.Outcome, error) {
	var outcome driver.Outcome
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) (err error) {
		if outcome, err = s.pass(ctx, sql, attempt); err != nil || outcome == driver.Released {
			return err
		}
		return c.granting(ctx, s, sql, func() (done bool, on standing, err error) {
			outcome, on, err = s.release(ctx, sql, attempt)
			return outcome != driver.Busy || on.same && on.granting, on, err
		})
	})
	if _, paused := asType[*pausedError](err); paused {
		return driver.Busy, nil
	}
	if err != nil {
		return driver.Absent, err
	}
	return outcome, nil
}

// pass makes the common release; Absent: nothing was done.
func (s *session) pass(ctx context.Context, sql *statements, attempt driver.Attempt) (driver.Outcome, error) {
	var silent bool
	err := s.QueryRow(ctx, sql.pass, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), s.system).Scan(&silent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return driver.Absent, nil
	case err != nil:
		return driver.Absent, err
	default:
		return driver.Released, nil
	}
}

// release makes any release.
func (s *session) release(ctx context.Context, sql *statements, attempt driver.Attempt) (driver.Outcome, standing, error) {
	var holds, done, silent bool
	on := standing{same: true, granting: true} // where no row tells
	err := s.QueryRow(ctx, sql.release, attempt.Name, [16]byte(attempt.Lease), [16]byte(attempt.Ticket), s.system).
		Scan(&holds, &done, &on.same, &on.granting, &silent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return driver.Absent, on, nil
	case hasCode(err, codeLockTimeout):
		return driver.Busy, on, nil
	default:
		return releaseOutcome(holds, done), on, err
	}
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
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		return c.granting(ctx, s, sql, func() (done bool, on standing, err error) {
			var silent bool
			err = s.QueryRow(ctx, sql.takeOver, name, ids, int64(ended), s.system).Scan(&done, &on.same, &on.granting, &silent)
			if errors.Is(err, pgx.ErrNoRows) || hasCode(err, codeLockTimeout) {
				return true, on, nil // nothing to take over, or somebody is at it
			}
			return done || on.same && on.granting, on, err
		})
	})
	if _, paused := asType[*pausedError](err); paused {
		return nil
	}
	return err
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
